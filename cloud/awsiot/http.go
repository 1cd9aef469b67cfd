package awsiot

import (
	"net/http"

	"fountain/cloud/awsiot/control"
)

// HTTP makes the HTTP side of the Core. endpoint answers DescribeEndpoint; objects serves presigned URLs and may be nil.
func (c *Core) HTTP(endpoint func(kind string) string, objects http.Handler) (*control.Control, error) {
	st := c.cfg.Stack
	return control.New(control.Config{
		Region: st.Region, Account: st.Account, ARN: st.ARN, Store: c.cfg.Store, Authority: c.cfg.Authority, Broker: c.Broker,
		Provision: c.provision, Shadows: c.shadows, Jobs: c.jobs, Policies: c.who.Policies, Rules: st.Rules, Endpoint: endpoint,
		Objects: objects, Log: c.cfg.Log,
	})
}
