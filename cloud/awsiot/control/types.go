package control

import (
	"context"
	"errors"
	"slices"
	"time"

	"fountain/cloud/store"
)

// deprecatedFor is how long a thing type must be deprecated before it can be deleted.
const deprecatedFor = 5 * time.Minute

const maxSearchable = 3 // attributes of a thing type

type typeProperties struct {
	Description string   `json:"thingTypeDescription,omitempty"`
	Searchable  []string `json:"searchableAttributes,omitempty"`
}

// typeProperties reads and checks those of a request.
func (r *request) typeProperties() (typeProperties, error) {
	var in struct {
		Properties typeProperties `json:"thingTypeProperties"`
	}
	err := r.decode(&in)
	if len(in.Properties.Searchable) > maxSearchable {
		err = invalid("a thing type has at most %d searchable attributes", maxSearchable)
	}
	for _, name := range in.Properties.Searchable {
		if err == nil {
			err = checkName(attributeForm, "searchableAttributes", name)
		}
	}
	return in.Properties, err
}

func (c *Control) thingType(ctx context.Context, name string) (set store.TypeSettings, e store.Entry, err error) {
	if e, err = c.entry(ctx, store.KindType, name, "Thing type"); err != nil {
		return set, e, err
	}
	set, err = e.Type()
	return set, e, err
}

func (c *Control) createType(r *request) (any, error) {
	name := r.PathValue("thingTypeName")
	p, err := r.typeProperties()
	if err != nil {
		return nil, err
	}
	arn := c.arn("thingtype/" + name)
	set := store.TypeSettings{Description: p.Description, Searchable: p.Searchable}
	e := store.Entry{Kind: store.KindType, Name: name, Settings: encode(set), Created: now()}
	err = c.cfg.Store.CreateEntry(r.Context(), e, "")
	if errors.Is(err, store.ErrExists) {
		var old store.TypeSettings
		if old, e, err = c.thingType(r.Context(), name); err != nil {
			return nil, err
		}
		if old.Description != set.Description || !slices.Equal(old.Searchable, set.Searchable) {
			return nil, exists(idOf("type", name, e.Created), arn, "Thing type %s already exists in account with different properties", name)
		}
	}
	if err != nil {
		return nil, err
	}
	return obj{"thingTypeName": name, "thingTypeArn": arn, "thingTypeId": idOf("type", name, e.Created)}, nil
}

func (c *Control) typeView(e store.Entry) (obj, error) {
	set, err := e.Type()
	if err != nil {
		return nil, err
	}
	meta := obj{"deprecated": set.Deprecated != 0, "creationDate": seconds(e.Created)}
	if set.Deprecated != 0 {
		meta["deprecationDate"] = seconds(set.Deprecated)
	}
	return obj{
		"thingTypeName": e.Name, "thingTypeArn": c.arn("thingtype/" + e.Name), "thingTypeMetadata": meta,
		"thingTypeProperties": typeProperties{set.Description, set.Searchable},
	}, nil
}

func (c *Control) describeType(r *request) (any, error) {
	_, e, err := c.thingType(r.Context(), r.PathValue("thingTypeName"))
	if err != nil {
		return nil, err
	}
	o, err := c.typeView(e)
	if err != nil {
		return nil, err
	}
	o["thingTypeId"] = idOf("type", e.Name, e.Created)
	return o, nil
}

// changeType stores what f makes of a type's settings.
func (c *Control) changeType(r *request, f func(*store.TypeSettings) error) error {
	set, e, err := c.thingType(r.Context(), r.PathValue("thingTypeName"))
	if err != nil {
		return err
	}
	return c.cfg.Store.UpdateEntry(r.Context(), store.KindType, e.Name, e.Version, now(), func(e *store.Entry) error {
		if err := f(&set); err != nil {
			return err
		}
		e.Settings = encode(set)
		return nil
	})
}

func (c *Control) updateType(r *request) (any, error) {
	p, err := r.typeProperties()
	if err != nil {
		return nil, err
	}
	return nil, c.changeType(r, func(s *store.TypeSettings) error {
		s.Description, s.Searchable = p.Description, p.Searchable
		return nil
	})
}

func (c *Control) deprecateType(r *request) (any, error) {
	var in struct {
		Undo bool `json:"undoDeprecate"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return nil, c.changeType(r, func(s *store.TypeSettings) error {
		switch {
		case in.Undo:
			s.Deprecated = 0
		case s.Deprecated == 0:
			s.Deprecated = now()
		}
		return nil
	})
}

func (c *Control) deleteType(r *request) (any, error) {
	set, e, err := c.thingType(r.Context(), r.PathValue("thingTypeName"))
	switch {
	case err != nil:
		return nil, err
	case e.Origin == store.OriginStack:
		return nil, invalid("%s", ofStack("Thing type", e.Name))
	case set.Deprecated == 0 || now()-set.Deprecated < deprecatedFor.Milliseconds():
		return nil, invalid("Cannot delete thing type : %s. A thing type must be deprecated for 5 minutes before it is deleted", e.Name)
	}
	err = c.cfg.Store.DeleteEntry(r.Context(), store.KindType, e.Name)
	if errors.Is(err, store.ErrInUse) {
		err = invalid("Cannot delete thing type : %s when there are things associated with it", e.Name)
	}
	return nil, err
}

func (c *Control) listTypes(r *request) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	var found []store.Entry
	if name := r.query("thingTypeName"); name != "" {
		e, err := c.cfg.Store.Entry(r.Context(), store.KindType, name)
		if err == nil {
			found = append(found, e)
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	} else if found, err = c.entries(r.Context(), store.KindType); err != nil {
		return nil, err
	}
	found, token := cut(p, found, entryName)
	var out []obj
	for _, e := range found {
		o, err := c.typeView(e)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return list("thingTypes", out, "nextToken", token), nil
}
