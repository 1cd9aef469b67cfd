package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"fountain/cloud/store"
)

type attributePayload struct {
	Attributes map[string]string `json:"attributes"`
	Merge      bool              `json:"merge"`
}

// mixed returns the attributes after an update. On AWS an empty value removes an attribute when they are merged.
func (p *attributePayload) mixed(old map[string]string) map[string]string {
	if p == nil {
		return old
	}
	out := map[string]string{}
	if p.Merge {
		maps.Copy(out, old)
	}
	maps.Copy(out, p.Attributes)
	maps.DeleteFunc(out, func(_, v string) bool { return v == "" })
	return out
}

func (c *Control) createThing(r *request) (any, error) {
	name := r.PathValue("thingName")
	var in struct {
		Type       string            `json:"thingTypeName"`
		Attributes *attributePayload `json:"attributePayload"`
		Billing    string            `json:"billingGroupName"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.Billing != "" {
		return nil, absent("Billing group %s cannot be found.", in.Billing)
	}
	t := store.Thing{Name: name, Type: in.Type, Attributes: in.Attributes.mixed(nil), Created: now()}
	if err := c.checkThing(r.Context(), t); err != nil {
		return nil, err
	}
	err := c.cfg.Store.CreateThing(r.Context(), t)
	if errors.Is(err, store.ErrExists) {
		old, err := c.cfg.Store.Thing(r.Context(), name)
		if err != nil {
			return nil, err
		}
		if old.Type != t.Type || !maps.Equal(old.Attributes, t.Attributes) {
			return nil, exists(idOf("thing", name, old.Created), c.arn("thing/"+name), "Thing %s already exists in account with different properties", name)
		}
		t = old
	} else if err != nil {
		return nil, err
	}
	return obj{"thingName": name, "thingArn": c.arn("thing/" + name), "thingId": idOf("thing", name, t.Created)}, nil
}

// checkThing looks at what a thing is to become.
func (c *Control) checkThing(ctx context.Context, t store.Thing) error {
	if t.Type == "" {
		return checkAttributes(t.Attributes, maxAttributes)
	}
	if err := checkName(thingForm, "thingTypeName", t.Type); err != nil {
		return err
	}
	set, _, err := c.thingType(ctx, t.Type)
	if err != nil {
		return err
	}
	if set.Deprecated != 0 {
		return invalid("Thing type %s is deprecated", t.Type)
	}
	return checkAttributes(t.Attributes, maxTypedAttributes)
}

func (c *Control) thing(r *request) (store.Thing, error) {
	name := r.PathValue("thingName")
	t, err := c.cfg.Store.Thing(r.Context(), name)
	return t, noThing(name, err)
}

// noThing says in AWS's words that there is no such thing.
func noThing(name string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return absent("Thing %s cannot be found.", name)
	}
	return err
}

func (c *Control) describeThing(r *request) (any, error) {
	t, err := c.thing(r)
	if err != nil {
		return nil, err
	}
	o := obj{
		"thingName": t.Name, "thingArn": c.arn("thing/" + t.Name), "thingId": idOf("thing", t.Name, t.Created),
		"defaultClientId": t.Name, "attributes": texts(t.Attributes), "version": t.Version,
	}
	if t.Type != "" {
		o["thingTypeName"] = t.Type
	}
	return o, nil
}

// texts makes null an empty object.
func texts(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (c *Control) updateThing(r *request) (any, error) {
	var in struct {
		Type       string            `json:"thingTypeName"`
		RemoveType bool              `json:"removeThingType"`
		Attributes *attributePayload `json:"attributePayload"`
		Expected   int64             `json:"expectedVersion"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.RemoveType && in.Type != "" {
		return nil, invalid("removeThingType and thingTypeName contradict each other")
	}
	old, err := c.thing(r)
	if err != nil {
		return nil, err
	}
	next := func(t store.Thing) store.Thing {
		t.Attributes = in.Attributes.mixed(t.Attributes)
		if in.Type != "" || in.RemoveType {
			t.Type = in.Type
		}
		return t
	}
	if n := next(old); n.Type != old.Type {
		err = c.checkThing(r.Context(), n)
	} else if n.Type == "" {
		err = checkAttributes(n.Attributes, maxAttributes)
	} else { // a deprecated type stays with the things that have it
		err = checkAttributes(n.Attributes, maxTypedAttributes)
	}
	if err != nil {
		return nil, err
	}
	if err := c.cfg.Store.UpdateThing(r.Context(), old.Name, in.Expected, func(t *store.Thing) error { *t = next(*t); return nil }); err != nil {
		return nil, err
	}
	return nil, c.refreshThing(r.Context(), old.Name)
}

// refreshThing lets the broker see what changed about a thing.
func (c *Control) refreshThing(ctx context.Context, name string) error {
	certs, err := c.cfg.Store.CertificatesOf(ctx, name)
	if err != nil {
		return err
	}
	var ids []string
	for _, x := range certs {
		ids = append(ids, x.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	return c.cfg.Broker.Refresh(ctx, ids...)
}

func (c *Control) deleteThing(r *request) (any, error) {
	expected, err := r.number("expectedVersion", 0, 0, 1<<62)
	if err != nil {
		return nil, err
	}
	name := r.PathValue("thingName")
	switch err = c.cfg.Store.DeleteThing(r.Context(), name, expected); {
	case errors.Is(err, store.ErrNotFound): // AWS: success, too, if there is no such thing
		return nil, nil
	case errors.Is(err, store.ErrInUse):
		return nil, invalid("Cannot delete. Thing %s is still attached to one or more principals", name)
	case err != nil:
		return nil, err
	}
	return nil, c.cfg.Jobs.FleetChanged(r.Context())
}

func (c *Control) listThings(r *request) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	prefix, err := r.flag("usePrefixAttributeValue")
	if err != nil {
		return nil, err
	}
	name, value, kind := r.query("attributeName"), r.query("attributeValue"), r.query("thingTypeName")
	if value != "" && name == "" {
		return nil, invalid("attributeValue needs attributeName")
	}
	wanted := func(t store.Thing) bool {
		v, has := t.Attributes[name]
		switch {
		case kind != "" && t.Type != kind, name != "" && !has:
			return false
		case value == "", v == value:
			return true
		}
		return prefix && strings.HasPrefix(v, value)
	}
	const step = 250
	found, after := []obj{}, p.after
	for {
		things, err := c.cfg.Store.ListThings(r.Context(), after, step)
		if err != nil {
			return nil, err
		}
		for _, t := range things {
			if !wanted(t) {
				after = t.Name
				continue
			}
			if len(found) == p.limit {
				return list("things", found, "nextToken", pageToken(after)), nil
			}
			after = t.Name
			o := obj{"thingName": t.Name, "thingArn": c.arn("thing/" + t.Name), "attributes": texts(t.Attributes), "version": t.Version}
			if t.Type != "" {
				o["thingTypeName"] = t.Type
			}
			found = append(found, o)
		}
		if len(things) < step {
			return list("things", found, "nextToken", ""), nil
		}
	}
}

func (c *Control) registerThing(r *request) (any, error) {
	var in struct {
		Body       string            `json:"templateBody"`
		Parameters map[string]string `json:"parameters"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	done, err := c.cfg.Provision.RegisterThing(r.Context(), in.Body, in.Parameters)
	if err != nil {
		return nil, err
	}
	return obj{"certificatePem": done.CertificatePEM, "resourceArns": done.ARNs}, c.cfg.Jobs.FleetChanged(r.Context())
}

// attachment finds the thing and the certificate of a request.
func (c *Control) attachment(r *request) (thing, certificateID string, err error) {
	t, err := c.thing(r)
	if err != nil {
		return "", "", err
	}
	certificateID, err = c.principal(r.Header.Get("x-amzn-principal"))
	return t.Name, certificateID, err
}

func (c *Control) attachThing(r *request) (any, error) {
	thing, id, err := c.attachment(r)
	if err != nil {
		return nil, err
	}
	kind, err := r.principalType()
	if err != nil {
		return nil, err
	}
	if err := c.cfg.Store.AttachThing(r.Context(), thing, id, kind == exclusive, now()); err != nil {
		return nil, err
	}
	return nil, c.cfg.Broker.Refresh(r.Context(), id)
}

func (c *Control) detachThing(r *request) (any, error) {
	thing, id, err := c.attachment(r)
	if err != nil {
		return nil, err
	}
	if err := c.cfg.Store.DetachThing(r.Context(), thing, id); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			err = absent("Thing %s and the principal are not attached", thing)
		}
		return nil, err
	}
	return nil, c.cfg.Broker.Refresh(r.Context(), id)
}

// Kinds of attachments of a certificate to a thing.
const (
	exclusive    = "EXCLUSIVE_THING"
	nonExclusive = "NON_EXCLUSIVE_THING"
)

// principalType reads which kind of attachment a request is about; empty when it does not say.
func (r *request) principalType() (string, error) {
	switch kind := r.query("thingPrincipalType"); kind {
	case "", exclusive, nonExclusive:
		return kind, nil
	default:
		return "", invalid("thingPrincipalType %q is neither %s nor %s", kind, exclusive, nonExclusive)
	}
}

func kindOf(x store.Certificate) string {
	if x.Sole {
		return exclusive
	}
	return nonExclusive
}

// attached is one end of an attachment as the other sees it.
type attached struct{ name, kind string }

func (a attached) onlyName() string { return a.name }

// attachments answers one page of attachments, of one kind when the request says which.
func attachments[T any](r *request, all func(*request) ([]attached, error), view func(attached) T, name string) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	kind, err := r.principalType()
	if err != nil {
		return nil, err
	}
	found, err := all(r)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(a attached) bool { return kind != "" && a.kind != kind })
	found, token := cut(p, found, attached.onlyName)
	var out []T
	for _, a := range found {
		out = append(out, view(a))
	}
	return list(name, out, "nextToken", token), nil
}

// principalsOf lists the ARNs of a thing's certificates, oldest first.
func (c *Control) principalsOf(r *request) (out []attached, err error) {
	t, err := c.thing(r)
	if err != nil {
		return nil, err
	}
	certs, err := c.cfg.Store.CertificatesOf(r.Context(), t.Name)
	for _, x := range slices.Backward(certs) {
		out = append(out, attached{c.arn(store.CertTarget(x.ID)), kindOf(x)})
	}
	return out, err
}

func (c *Control) listThingPrincipals(r *request) (any, error) {
	return attachments(r, c.principalsOf, attached.onlyName, "principals")
}

func (c *Control) listThingPrincipalsV2(r *request) (any, error) {
	view := func(a attached) obj { return obj{"principal": a.name, "thingPrincipalType": a.kind} }
	return attachments(r, c.principalsOf, view, "thingPrincipalObjects")
}

// thingsOf lists the things of a certificate in order of attachment.
func (c *Control) thingsOf(r *request) (out []attached, err error) {
	id, err := c.principal(r.Header.Get("x-amzn-principal"))
	if err != nil {
		return nil, err
	}
	x, err := c.certificate(r.Context(), id)
	for _, thing := range x.Things {
		out = append(out, attached{thing, kindOf(x)})
	}
	return out, err
}

func (c *Control) listPrincipalThings(r *request) (any, error) {
	return attachments(r, c.thingsOf, attached.onlyName, "things")
}

func (c *Control) listPrincipalThingsV2(r *request) (any, error) {
	view := func(a attached) obj { return obj{"thingName": a.name, "thingPrincipalType": a.kind} }
	return attachments(r, c.thingsOf, view, "principalThingObjects")
}

func (c *Control) connectivity(r *request) (any, error) {
	t, err := c.thing(r)
	if err != nil {
		return nil, err
	}
	o := obj{"thingName": t.Name, "connected": t.Online}
	if t.Changed != 0 {
		o["timestamp"] = seconds(t.Changed)
	}
	return o, nil
}
