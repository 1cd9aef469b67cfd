package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"fountain/cloud/store"
)

// maxGroupDepth is AWS's quota on levels of thing groups.
const maxGroupDepth = 7

type groupProperties struct {
	Description string            `json:"thingGroupDescription"`
	Attributes  *attributePayload `json:"attributePayload"`
}

func (c *Control) group(ctx context.Context, name string) (set store.GroupSettings, e store.Entry, err error) {
	if e, err = c.entry(ctx, store.KindGroup, name, "Thing group"); err != nil {
		return set, e, err
	}
	set, err = e.Group()
	return set, e, err
}

func (c *Control) createGroup(r *request) (any, error) {
	name := r.PathValue("thingGroupName")
	var in struct {
		Parent     string          `json:"parentGroupName"`
		Properties groupProperties `json:"thingGroupProperties"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	set := store.GroupSettings{Description: in.Properties.Description, Parent: in.Parent, Attributes: in.Properties.Attributes.mixed(nil)}
	if err := checkAttributes(set.Attributes, maxTypedAttributes); err != nil {
		return nil, err
	}
	above, err := store.Ancestry(r.Context(), c.cfg.Store, in.Parent)
	switch {
	case errors.Is(err, store.ErrNotFound): // AWS's reference knows no 404 here
		return nil, invalid("The parent thing group %s does not exist", in.Parent)
	case err != nil:
		return nil, err
	case len(above) >= maxGroupDepth:
		return nil, invalid("Thing group %s would be deeper than %d levels", name, maxGroupDepth)
	}
	arn := c.arn("thinggroup/" + name)
	e := store.Entry{Kind: store.KindGroup, Name: name, Settings: encode(set), Created: now()}
	err = c.cfg.Store.CreateEntry(r.Context(), e, "")
	if errors.Is(err, store.ErrExists) {
		var old store.GroupSettings
		if old, e, err = c.group(r.Context(), name); err != nil {
			return nil, err
		}
		if old.Description != set.Description || old.Parent != set.Parent || !maps.Equal(old.Attributes, set.Attributes) {
			return nil, exists(idOf("group", name, e.Created), arn, "Thing Group %s already exists in current account with different properties", name)
		}
	}
	if err != nil {
		return nil, err
	}
	return obj{"thingGroupName": name, "thingGroupArn": arn, "thingGroupId": idOf("group", name, e.Created)}, nil
}

func (c *Control) groupRef(name string) obj {
	return obj{"groupName": name, "groupArn": c.arn("thinggroup/" + name)}
}

func (c *Control) describeGroup(r *request) (any, error) {
	set, e, err := c.group(r.Context(), r.PathValue("thingGroupName"))
	if err != nil {
		return nil, err
	}
	meta := obj{"creationDate": seconds(e.Created)}
	if set.Parent != "" {
		above, err := store.Ancestry(r.Context(), c.cfg.Store, set.Parent)
		if err != nil {
			return nil, err
		}
		slices.Reverse(above)
		meta["parentGroupName"], meta["rootToParentThingGroups"] = set.Parent, c.groupRefs(above)
	}
	props := obj{"attributePayload": obj{"attributes": texts(set.Attributes)}}
	if set.Description != "" {
		props["thingGroupDescription"] = set.Description
	}
	return obj{
		"thingGroupName": e.Name, "thingGroupArn": c.arn("thinggroup/" + e.Name), "thingGroupId": idOf("group", e.Name, e.Created),
		"version": e.Version, "thingGroupProperties": props, "thingGroupMetadata": meta,
	}, nil
}

func (c *Control) updateGroup(r *request) (any, error) {
	var in struct {
		Properties *groupProperties `json:"thingGroupProperties"`
		Expected   int64            `json:"expectedVersion"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.Properties == nil {
		return nil, invalid("thingGroupProperties is missing")
	}
	_, e, err := c.group(r.Context(), r.PathValue("thingGroupName"))
	if err != nil {
		return nil, err
	}
	version := e.Version
	err = c.cfg.Store.UpdateEntry(r.Context(), store.KindGroup, e.Name, in.Expected, now(), func(e *store.Entry) error {
		set, err := e.Group()
		if err != nil {
			return err
		}
		if in.Properties.Description != "" {
			set.Description = in.Properties.Description
		}
		set.Attributes = in.Properties.Attributes.mixed(set.Attributes)
		if err := checkAttributes(set.Attributes, maxTypedAttributes); err != nil {
			return err
		}
		e.Settings = encode(set)
		version = e.Version + 1
		return nil
	})
	return obj{"version": version}, err
}

func (c *Control) deleteGroup(r *request) (any, error) {
	expected, err := r.number("expectedVersion", 0, 0, 1<<62)
	if err != nil {
		return nil, err
	}
	e, err := c.cfg.Store.Entry(r.Context(), store.KindGroup, r.PathValue("thingGroupName"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil // AWS is content
	}
	if err != nil {
		return nil, err
	}
	if expected != 0 && expected != e.Version {
		return nil, store.ErrVersion
	}
	all, err := c.entries(r.Context(), store.KindGroup)
	if err != nil {
		return nil, err
	}
	for _, child := range all {
		set, err := child.Group()
		if err != nil {
			return nil, err
		}
		if set.Parent == e.Name {
			return nil, invalid("Cannot delete thing group : %s when there are still child groups attached to it", e.Name)
		}
	}
	if err := c.cfg.Store.DeleteEntry(r.Context(), store.KindGroup, e.Name); err != nil {
		return nil, err
	}
	return nil, errors.Join(c.cfg.Broker.Refresh(r.Context()), c.cfg.Jobs.FleetChanged(r.Context()))
}

func (c *Control) listGroups(r *request) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	deep := r.query("recursive") != "false"
	parent, prefix := r.query("parentGroup"), r.query("namePrefixFilter")
	all, err := c.entries(r.Context(), store.KindGroup)
	if err != nil {
		return nil, err
	}
	parents := map[string]string{}
	for _, e := range all {
		set, err := e.Group()
		if err != nil {
			return nil, err
		}
		parents[e.Name] = set.Parent
	}
	if _, ok := parents[parent]; parent != "" && !ok {
		return nil, absent("Thing group %s cannot be found.", parent)
	}
	below := func(name string) bool {
		up := parents[name]
		for deep && up != parent && up != "" {
			up = parents[up]
		}
		return up == parent
	}
	var names []string
	for _, e := range all {
		if strings.HasPrefix(e.Name, prefix) && below(e.Name) {
			names = append(names, e.Name)
		}
	}
	names, token := cut(p, names, same)
	return list("thingGroups", c.groupRefs(names), "nextToken", token), nil
}

func (c *Control) groupRefs(names []string) (out []obj) {
	for _, n := range names {
		out = append(out, c.groupRef(n))
	}
	return out
}

func (c *Control) listGroupsForThing(r *request) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	t, err := c.thing(r)
	if err != nil {
		return nil, err
	}
	names, err := c.cfg.Store.GroupsOf(r.Context(), t.Name)
	if err != nil {
		return nil, err
	}
	names, token := cut(p, names, same)
	return list("thingGroups", c.groupRefs(names), "nextToken", token), nil
}

func (c *Control) listThingsInGroup(r *request) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	deep, err := r.flag("recursive")
	if err != nil {
		return nil, err
	}
	_, e, err := c.group(r.Context(), r.PathValue("thingGroupName"))
	if err != nil {
		return nil, err
	}
	things, err := store.Members(r.Context(), c.cfg.Store, e.Name, deep)
	if err != nil {
		return nil, err
	}
	things, token := cut(p, things, same)
	return list("things", things, "nextToken", token), nil
}

// membership is the body of AddThingToThingGroup and RemoveThingFromThingGroup.
type membership struct {
	Group    string `json:"thingGroupName"`
	GroupARN string `json:"thingGroupArn"`
	Thing    string `json:"thingName"`
	ThingARN string `json:"thingArn"`
}

func (c *Control) membership(r *request) (m membership, err error) {
	if err := r.decode(&m); err != nil {
		return m, err
	}
	if m.Group == "" {
		m.Group = strings.TrimPrefix(m.GroupARN, c.arn("thinggroup/"))
	}
	if m.Thing == "" {
		m.Thing = strings.TrimPrefix(m.ThingARN, c.arn("thing/"))
	}
	if m.Group == "" || m.Thing == "" {
		return m, invalid("a thing and a thing group must be named")
	}
	if err := checkName(thingForm, "thingGroupName", m.Group); err != nil {
		return m, err
	}
	if err := checkName(thingForm, "thingName", m.Thing); err != nil {
		return m, err
	}
	if _, _, err := c.group(r.Context(), m.Group); err != nil {
		return m, err
	}
	_, err = c.cfg.Store.Thing(r.Context(), m.Thing)
	return m, noThing(m.Thing, err)
}

func (c *Control) addToGroup(r *request) (any, error) {
	m, err := c.membership(r)
	if err != nil {
		return nil, err
	}
	if err := c.cfg.Store.AddToGroup(r.Context(), m.Group, m.Thing, now()); err != nil {
		return nil, err
	}
	return nil, c.regrouped(r.Context(), m.Thing)
}

func (c *Control) removeFromGroup(r *request) (any, error) {
	m, err := c.membership(r)
	if err != nil {
		return nil, err
	}
	if err := c.cfg.Store.RemoveFromGroup(r.Context(), m.Group, m.Thing); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return nil, c.regrouped(r.Context(), m.Thing)
}

// regrouped tells of a thing that joined or left a group.
func (c *Control) regrouped(ctx context.Context, thing string) error {
	return errors.Join(c.refreshThing(ctx, thing), c.cfg.Jobs.FleetChanged(ctx))
}

func (c *Control) updateGroupsForThing(r *request) (any, error) {
	var in struct {
		Thing  string   `json:"thingName"`
		Add    []string `json:"thingGroupsToAdd"`
		Remove []string `json:"thingGroupsToRemove"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if _, err := c.cfg.Store.Thing(r.Context(), in.Thing); err != nil {
		return nil, noThing(in.Thing, err)
	}
	for _, g := range in.Remove {
		if err := c.cfg.Store.RemoveFromGroup(r.Context(), g, in.Thing); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	for _, g := range in.Add {
		if err := c.cfg.Store.AddToGroup(r.Context(), g, in.Thing, now()); err != nil {
			return nil, err
		}
	}
	return nil, c.regrouped(r.Context(), in.Thing)
}
