package control

import (
	"maps"
	"slices"
)

// eventKinds are the events AWS can be asked to publish, and whether this cloud does: of jobs always, of the registry never.
var eventKinds = map[string]bool{
	"JOB": true, "JOB_EXECUTION": true,
	"THING": false, "THING_GROUP": false, "THING_TYPE": false, "THING_GROUP_MEMBERSHIP": false, "THING_GROUP_HIERARCHY": false,
	"THING_TYPE_ASSOCIATION": false, "POLICY": false, "CERTIFICATE": false, "CA_CERTIFICATE": false,
}

func (c *Control) describeEvents(*request) (any, error) {
	all := obj{}
	for kind, on := range eventKinds {
		all[kind] = obj{"Enabled": on}
	}
	return obj{"eventConfigurations": all}, nil
}

// updateEvents takes what is so already, and refuses the rest: nobody is to wait for events that never come.
func (c *Control) updateEvents(r *request) (any, error) {
	var in struct {
		Kinds map[string]struct{ Enabled bool } `json:"eventConfigurations"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	for _, kind := range slices.Sorted(maps.Keys(in.Kinds)) {
		switch on, known := eventKinds[kind]; {
		case !known:
			return nil, invalid("there are no events of %q", kind)
		case on && !in.Kinds[kind].Enabled:
			return nil, invalid("events of %s are always published here", kind)
		case !on && in.Kinds[kind].Enabled:
			return nil, invalid("events of %s are not published here", kind)
		}
	}
	return nil, nil
}
