package control

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

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
	if err := checkName(policyForm, "policyName", name); err != nil {
		return nil, err
	}
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

// byCreation orders entries as lists with isAscendingOrder do.
func byCreation(all []store.Entry, ascending bool) {
	slices.SortStableFunc(all, func(a, b store.Entry) int {
		if ascending {
			return int(a.Created - b.Created)
		}
		return int(b.Created - a.Created)
	})
}

func (c *Control) listPolicies(r *request) (any, error) {
	p, err := r.page("pageSize", "marker")
	if err != nil {
		return nil, err
	}
	ascending, err := r.flag("isAscendingOrder")
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

// tooMany tells that a sixth version is one too many.
func tooMany(what, name string) error {
	return &failure{
		status: 409, code: "VersionsLimitExceededException",
		message: "The " + what + " " + name + " already has the maximum number of versions (" + strconv.Itoa(store.MaxBodies) + ")",
	}
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

// version reads the number of a version from the path.
func version(r *request, key string) (int, error) {
	v := r.PathValue(key)
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return 0, invalid("%s %q is no number of a version", key, v)
	}
	return n, nil
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

// attach and detach take the ARN of the target.
func (c *Control) attach(r *request, arn string) (any, error) {
	e, err := c.policy(r)
	if err != nil {
		return nil, err
	}
	target, err := c.target(arn)
	if err != nil {
		return nil, err
	}
	if err := c.targetThere(r.Context(), target); err != nil {
		return nil, err
	}
	if err := c.cfg.Store.AttachPolicy(r.Context(), e.Name, target, now()); err != nil {
		return nil, err
	}
	return nil, c.refreshTarget(r.Context(), target)
}

func (c *Control) targetThere(ctx context.Context, target string) error {
	if id, ok := strings.CutPrefix(target, "cert/"); ok {
		_, err := c.certificate(ctx, id)
		return err
	}
	_, _, err := c.group(ctx, strings.TrimPrefix(target, "thinggroup/"))
	return err
}

// refreshTarget lets the broker see what changed about a target.
func (c *Control) refreshTarget(ctx context.Context, target string) error {
	if id, ok := strings.CutPrefix(target, "cert/"); ok {
		return c.cfg.Broker.Refresh(ctx, id)
	}
	return c.cfg.Broker.Refresh(ctx)
}

func (c *Control) detach(r *request, arn string) (any, error) {
	e, err := c.policy(r)
	if err != nil {
		return nil, err
	}
	target, err := c.target(arn)
	if err != nil {
		return nil, err
	}
	if err := c.cfg.Store.DetachPolicy(r.Context(), e.Name, target); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return nil, c.refreshTarget(r.Context(), target)
}

type policyTarget struct {
	Target string `json:"target"`
}

func (c *Control) attachPolicy(r *request) (any, error) {
	var in policyTarget
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return c.attach(r, in.Target)
}

func (c *Control) detachPolicy(r *request) (any, error) {
	var in policyTarget
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return c.detach(r, in.Target)
}

// The older names of the same: the principal is in a header.
const principalHeader = "x-amzn-iot-principal"

func (c *Control) attachPrincipalPolicy(r *request) (any, error) {
	return c.attach(r, r.Header.Get(principalHeader))
}

func (c *Control) detachPrincipalPolicy(r *request) (any, error) {
	return c.detach(r, r.Header.Get(principalHeader))
}

func (c *Control) listPrincipalPolicies(r *request) (any, error) {
	return c.attached(r, r.Header.Get(principalHeader))
}

func (c *Control) listAttachedPolicies(r *request) (any, error) {
	return c.attached(r, r.PathValue("target"))
}

func (c *Control) attached(r *request, arn string) (any, error) {
	p, err := r.page("pageSize", "marker")
	if err != nil {
		return nil, err
	}
	deep, err := r.flag("recursive")
	if err != nil {
		return nil, err
	}
	target, err := c.target(arn)
	if err != nil {
		return nil, err
	}
	if err := c.targetThere(r.Context(), target); err != nil {
		return nil, err
	}
	var names []string
	for target != "" {
		some, err := c.cfg.Store.PoliciesOf(r.Context(), target)
		if err != nil {
			return nil, err
		}
		names = append(names, some...)
		group, ok := strings.CutPrefix(target, "thinggroup/")
		if !deep || !ok {
			break
		}
		set, _, err := c.group(r.Context(), group)
		if err != nil {
			return nil, err
		}
		if target = ""; set.Parent != "" {
			target = store.GroupTarget(set.Parent)
		}
	}
	slices.Sort(names)
	names, marker := cut(p, slices.Compact(names), same)
	return list("policies", c.policyRefs(names), "nextMarker", marker), nil
}

// targets lists the ARNs a policy is attached to.
func (c *Control) targets(r *request, name string) (p page, arns []string, err error) {
	if p, err = r.page("pageSize", "marker"); err != nil {
		return p, nil, err
	}
	if _, err := c.entry(r.Context(), store.KindPolicy, name, "Policy"); err != nil {
		return p, nil, err
	}
	targets, err := c.cfg.Store.TargetsOf(r.Context(), name)
	for _, t := range targets {
		arns = append(arns, c.arn(t))
	}
	return p, arns, err
}

func (c *Control) listTargets(r *request) (any, error) {
	p, arns, err := c.targets(r, r.PathValue("policyName"))
	if err != nil {
		return nil, err
	}
	arns, marker := cut(p, arns, same)
	return list("targets", arns, "nextMarker", marker), nil
}

func (c *Control) listPolicyPrincipals(r *request) (any, error) {
	p, arns, err := c.targets(r, r.Header.Get("x-amzn-iot-policy"))
	if err != nil {
		return nil, err
	}
	arns, marker := cut(p, arns, same)
	return list("principals", arns, "nextMarker", marker), nil
}

func (c *Control) effectivePolicies(r *request) (any, error) {
	var in struct {
		Principal string `json:"principal"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	id, err := c.principal(in.Principal)
	if err != nil {
		return nil, err
	}
	if _, err := c.certificate(r.Context(), id); err != nil {
		return nil, err
	}
	all, err := c.cfg.Policies(r.Context(), id)
	if err != nil {
		return nil, err
	}
	var out []obj
	for _, p := range all {
		out = append(out, obj{"policyName": p.Name, "policyArn": c.arn("policy/" + p.Name), "policyDocument": string(p.Document)})
	}
	return list("effectivePolicies", out, "", ""), nil
}
