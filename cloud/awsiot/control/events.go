package control

import (
	"errors"
	"maps"
	"slices"

	"fountain/cloud/store"
)

// eventKinds are the events AWS can be asked to publish, and whether this cloud can: those of jobs.
var eventKinds = map[string]bool{
	store.EventsJob: true, store.EventsExecution: true,
	"THING": false, "THING_GROUP": false, "THING_TYPE": false, "THING_GROUP_MEMBERSHIP": false, "THING_GROUP_HIERARCHY": false,
	"THING_TYPE_ASSOCIATION": false, "POLICY": false, "CERTIFICATE": false, "CA_CERTIFICATE": false,
}

func (c *Control) describeEvents(r *request) (any, error) {
	e, wanted, err := store.Events(r.Context(), c.cfg.Store)
	if err != nil {
		return nil, err
	}
	all := obj{}
	for kind := range eventKinds {
		all[kind] = obj{"Enabled": wanted[kind]}
	}
	o := obj{"eventConfigurations": all}
	if e.Created != 0 {
		o["creationDate"], o["lastModifiedDate"] = seconds(e.Created), seconds(e.Changed)
	}
	return o, nil
}

// updateEvents changes what is named. It refuses what is not published here: nobody is to wait for events that never come.
func (c *Control) updateEvents(r *request) (any, error) {
	var in struct {
		Kinds map[string]struct{ Enabled bool } `json:"eventConfigurations"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	for _, kind := range slices.Sorted(maps.Keys(in.Kinds)) {
		switch here, known := eventKinds[kind]; {
		case !known:
			return nil, invalid("there are no events of %q", kind)
		case !here && in.Kinds[kind].Enabled:
			return nil, invalid("events of %s are not published here", kind)
		}
	}
	ctx := r.Context()
	err := c.cfg.Store.CreateEntry(ctx, store.Entry{Kind: store.KindEvents, Name: store.EventsName, Created: now()}, "")
	if err != nil && !errors.Is(err, store.ErrExists) {
		return nil, err
	}
	return nil, c.cfg.Store.UpdateEntry(ctx, store.KindEvents, store.EventsName, 0, now(), func(e *store.Entry) error {
		wanted, err := store.Settings[store.EventSettings](*e)
		if err != nil {
			return err
		}
		for kind, set := range in.Kinds {
			wanted[kind] = set.Enabled
		}
		e.Settings = encode(wanted)
		return nil
	})
}
