package control

// releaseSerial lets a serial be claimed again. Its certificates stop working at once.
func (c *Control) releaseSerial(r *request) (any, error) {
	serial := r.PathValue("serial")
	if err := c.cfg.Store.Release(r.Context(), serial); err != nil {
		return nil, err
	}
	return nil, c.cfg.Broker.Refresh(r.Context())
}

// describeUnit tells what the registry knows of a unit beyond AWS's things.
func (c *Control) describeUnit(r *request) (any, error) {
	t, err := c.thing(r)
	if err != nil {
		return nil, err
	}
	return obj{
		"thingName": t.Name, "serial": t.Serial, "online": t.Online, "released": t.Released,
		"created": seconds(t.Created), "firstConnected": seconds(t.FirstConnected), "changed": seconds(t.Changed),
	}, nil
}
