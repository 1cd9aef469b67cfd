package control

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"fountain/cloud/store"
)

// policyAndTarget finds the policy of a request and the target that an ARN names.
func (c *Control) policyAndTarget(r *request, arn string) (policy, target string, err error) {
	e, err := c.policy(r)
	if err != nil {
		return "", "", err
	}
	target, err = c.target(arn)
	return e.Name, target, err
}

// attach and detach take the ARN of the target.
func (c *Control) attach(r *request, arn string) (any, error) {
	policy, target, err := c.policyAndTarget(r, arn)
	if err != nil {
		return nil, err
	}
	if err := c.targetThere(r.Context(), target); err != nil {
		return nil, err
	}
	if err := c.cfg.Store.AttachPolicy(r.Context(), policy, target, now()); err != nil {
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
	policy, target, err := c.policyAndTarget(r, arn)
	if err != nil {
		return nil, err
	}
	return c.detachFrom(r, policy, target)
}

func (c *Control) detachFrom(r *request, policy, target string) (any, error) {
	if err := c.cfg.Store.DetachPolicy(r.Context(), policy, target); err != nil && !errors.Is(err, store.ErrNotFound) {
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

// detachPolicy is content with a policy that is not there, and calls a target that is not there a bad request, as on AWS.
func (c *Control) detachPolicy(r *request) (any, error) {
	var in policyTarget
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	target, err := c.target(in.Target)
	if err != nil {
		return nil, err
	}
	if err := c.targetThere(r.Context(), target); err != nil {
		if failureOf(err).status == http.StatusNotFound {
			err = invalid("Invalid Target")
		}
		return nil, err
	}
	return c.detachFrom(r, r.PathValue("policyName"), target)
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
	targets := []string{target}
	if group, ok := strings.CutPrefix(target, "thinggroup/"); ok && deep {
		if targets, err = c.inherited(r.Context(), group); err != nil {
			return nil, err
		}
	}
	names, err := c.policiesOf(r.Context(), targets)
	if err != nil {
		return nil, err
	}
	names, marker := cut(p, names, same)
	return list("policies", c.policyRefs(names), "nextMarker", marker), nil
}

// inherited lists a group and those above it, whose policies are its own, too.
func (c *Control) inherited(ctx context.Context, group string) (targets []string, err error) {
	line, err := store.Ancestry(ctx, c.cfg.Store, group)
	for _, g := range line {
		targets = append(targets, store.GroupTarget(g))
	}
	return targets, err
}

// policiesOf lists the names of what is attached to any of the targets.
func (c *Control) policiesOf(ctx context.Context, targets []string) (names []string, err error) {
	for _, target := range targets {
		some, err := c.cfg.Store.PoliciesOf(ctx, target)
		if err != nil {
			return nil, err
		}
		names = append(names, some...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// targets lists the ARNs that the policy of a request is attached to. name finds it there.
func (c *Control) targets(name func(*request) string) func(*request) (page, []string, error) {
	return func(r *request) (p page, arns []string, err error) {
		if p, err = r.page("pageSize", "marker"); err != nil {
			return p, nil, err
		}
		e, err := c.entry(r.Context(), store.KindPolicy, name(r), "Policy")
		if err != nil {
			return p, nil, err
		}
		targets, err := c.cfg.Store.TargetsOf(r.Context(), e.Name)
		for _, t := range targets {
			arns = append(arns, c.arn(t))
		}
		return p, arns, err
	}
}

func (c *Control) listTargets(r *request) (any, error) {
	return listed(r, c.targets(func(r *request) string { return r.PathValue("policyName") }), same, "targets", "nextMarker")
}

func (c *Control) listPolicyPrincipals(r *request) (any, error) {
	return listed(r, c.targets(func(r *request) string { return r.Header.Get("x-amzn-iot-policy") }), same, "principals", "nextMarker")
}
