package control

import (
	"errors"
	"slices"
	"strconv"

	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
)

type policyDocument struct {
	Document string `json:"policyDocument"`
}

// document reads and checks the policy document of a request.
func (c *Control) document(r *request, name string) (string, error) {
	var in policyDocument
	if err := r.decode(&in); err != nil {
		return "", err
	}
	if _, err := policy.ParseJSON(name, []byte(in.Document)); err != nil {
		return "", err
	}
	return in.Document, nil
}

func (c *Control) createPolicy(r *request) (any, error) {
	name := r.PathValue("policyName")
	doc, err := c.document(r, name)
	if err != nil {
		return nil, err
	}
	arn := c.arn("policy/" + name)
	err = c.cfg.Store.CreateEntry(r.Context(), store.Entry{Kind: store.KindPolicy, Name: name, Created: now()}, doc)
	if errors.Is(err, store.ErrExists) {
		return nil, exists(name, arn, "Policy cannot be created - name already exists (name=%s)", name)
	}
	if err != nil {
		return nil, err
	}
	return obj{"policyName": name, "policyArn": arn, "policyDocument": doc, "policyVersionId": "1"}, nil
}

func (c *Control) policy(r *request) (store.Entry, error) {
	name := r.PathValue("policyName")
	e, err := c.cfg.Store.Entry(r.Context(), store.KindPolicy, name)
	if errors.Is(err, store.ErrNotFound) {
		err = absent("Policy not found (name=%s)", name)
	}
	return e, err
}

func (c *Control) getPolicy(r *request) (any, error) {
	e, err := c.policy(r)
	if err != nil {
		return nil, err
	}
	b, err := c.cfg.Store.Body(r.Context(), store.KindPolicy, e.Name, e.Default)
	if err != nil {
		return nil, err
	}
	return obj{
		"policyName": e.Name, "policyArn": c.arn("policy/" + e.Name), "policyDocument": b.Text, "defaultVersionId": strconv.Itoa(e.Default),
		"creationDate": seconds(e.Created), "lastModifiedDate": seconds(e.Changed), "generationId": hash(e.Name, e.Created),
	}, nil
}

func (c *Control) deletePolicy(r *request) (any, error) {
	e, err := c.policy(r)
	if err != nil {
		return nil, err
	}
	if e.Origin == store.OriginStack {
		return nil, inUse("%s", ofStack("Policy", e.Name))
	}
	err = c.cfg.Store.DeleteEntry(r.Context(), store.KindPolicy, e.Name)
	if errors.Is(err, store.ErrInUse) {
		err = inUse("Cannot delete the policy because it is attached or has several versions (name=%s): %v", e.Name, err)
	}
	return nil, err
}

func (c *Control) policyRefs(names []string) (out []obj) {
	for _, n := range names {
		out = append(out, obj{"policyName": n, "policyArn": c.arn("policy/" + n)})
	}
	return out
}

func (c *Control) listPolicies(r *request) (any, error) {
	p, ascending, err := r.ordered()
	if err != nil {
		return nil, err
	}
	all, err := c.entries(r.Context(), store.KindPolicy)
	if err != nil {
		return nil, err
	}
	byCreation(all, ascending)
	all, marker := cut(p, all, entryName)
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
	}
	return list("policies", c.policyRefs(names), "nextMarker", marker), nil
}

func (c *Control) createPolicyVersion(r *request) (any, error) {
	e, err := c.policy(r)
	if err != nil {
		return nil, err
	}
	def, err := r.flag("setAsDefault")
	if err != nil {
		return nil, err
	}
	doc, err := c.document(r, e.Name)
	if err != nil {
		return nil, err
	}
	b, err := c.cfg.Store.AddBody(r.Context(), store.KindPolicy, e.Name, doc, def, now())
	if errors.Is(err, store.ErrLimit) {
		return nil, tooMany("policy", e.Name)
	}
	if err != nil {
		return nil, err
	}
	if def {
		err = c.cfg.Broker.Refresh(r.Context())
	}
	return obj{
		"policyArn": c.arn("policy/" + e.Name), "policyDocument": doc, "policyVersionId": strconv.Itoa(b.Version), "isDefaultVersion": def,
	}, err
}

func (c *Control) listPolicyVersions(r *request) (any, error) {
	e, err := c.policy(r)
	if err != nil {
		return nil, err
	}
	all, err := c.cfg.Store.Bodies(r.Context(), store.KindPolicy, e.Name)
	if err != nil {
		return nil, err
	}
	slices.Reverse(all) // newest first
	var out []obj
	for _, b := range all {
		out = append(out, obj{"versionId": strconv.Itoa(b.Version), "isDefaultVersion": b.Version == e.Default, "createDate": seconds(b.Created)})
	}
	return list("policyVersions", out, "", ""), nil
}

func (c *Control) policyVersion(r *request) (e store.Entry, b store.Body, err error) {
	if e, err = c.policy(r); err != nil {
		return e, b, err
	}
	n, err := version(r, "policyVersionId")
	if err != nil {
		return e, b, err
	}
	b, err = c.cfg.Store.Body(r.Context(), store.KindPolicy, e.Name, n)
	if errors.Is(err, store.ErrNotFound) {
		err = absent("Policy version not found (name=%s, version=%d)", e.Name, n)
	}
	return e, b, err
}

func (c *Control) getPolicyVersion(r *request) (any, error) {
	e, b, err := c.policyVersion(r)
	if err != nil {
		return nil, err
	}
	return obj{
		"policyArn": c.arn("policy/" + e.Name), "policyName": e.Name, "policyDocument": b.Text, "policyVersionId": strconv.Itoa(b.Version),
		"isDefaultVersion": b.Version == e.Default, "creationDate": seconds(b.Created), "lastModifiedDate": seconds(b.Created),
		"generationId": hash(e.Name, e.Created),
	}, nil
}

func (c *Control) setDefaultPolicyVersion(r *request) (any, error) {
	e, b, err := c.policyVersion(r)
	if err != nil {
		return nil, err
	}
	if err := c.cfg.Store.SetDefaultBody(r.Context(), store.KindPolicy, e.Name, b.Version, now()); err != nil {
		return nil, err
	}
	return nil, c.cfg.Broker.Refresh(r.Context())
}

func (c *Control) deletePolicyVersion(r *request) (any, error) {
	e, b, err := c.policyVersion(r)
	if err != nil {
		return nil, err
	}
	err = c.cfg.Store.DeleteBody(r.Context(), store.KindPolicy, e.Name, b.Version)
	if errors.Is(err, store.ErrInUse) {
		err = inUse("Cannot delete the default version of a policy (name=%s, version=%d)", e.Name, b.Version)
	}
	return nil, err
}
