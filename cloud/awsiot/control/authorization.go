package control

import (
	"context"
	"slices"
	"strings"

	"fountain/cloud/awsiot/policy"
	"fountain/cloud/store"
)

type authInfo struct {
	Action    string   `json:"actionType"`
	Resources []string `json:"resources"`
}

// authActions are the acts that TestAuthorization knows, and what they are about.
var authActions = map[string]struct {
	act  policy.Action
	kind string
}{
	"CONNECT": {policy.Connect, "client"}, "PUBLISH": {policy.Publish, "topic"}, "RECEIVE": {policy.Receive, "topic"},
	"SUBSCRIBE": {policy.Subscribe, "topicfilter"},
}

// maxAuthInfos is how many acts one request may ask about.
const maxAuthInfos = 10

// testAuthorization tells what the policies of a certificate would say, by the very evaluator that decides.
func (c *Control) testAuthorization(r *request) (any, error) {
	var in struct {
		Principal string     `json:"principal"`
		Infos     []authInfo `json:"authInfos"`
		Add       []string   `json:"policyNamesToAdd"`
		Skip      []string   `json:"policyNamesToSkip"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if n := len(in.Infos); n < 1 || n > maxAuthInfos {
		return nil, invalid("authInfos must have 1 to %d members", maxAuthInfos)
	}
	who, all, err := c.asked(r, in.Principal)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(p *policy.Policy) bool { return slices.Contains(in.Skip, p.Name) })
	for _, name := range in.Add {
		p, err := c.namedPolicy(r.Context(), name)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	out := []obj{}
	for _, info := range in.Infos {
		for _, res := range info.Resources {
			a, ok := authActions[info.Action]
			name, mine := strings.CutPrefix(res, c.arn(a.kind+"/"))
			if !ok || !mine {
				return nil, invalid("%s on %s can be no act of MQTT in this account and region", info.Action, res)
			}
			out = append(out, c.authResult(authInfo{info.Action, []string{res}}, policy.Decide(all, c.cfg.ARN, who, a.act, name)))
		}
	}
	return obj{"authResults": out}, nil
}

// asked is who a certificate would be under the client id of the request, and its policies; or a thing group's.
func (c *Control) asked(r *request, arn string) (who policy.Principal, all []*policy.Policy, err error) {
	target, err := c.target(arn)
	if err != nil {
		return who, nil, err
	}
	if all, err = c.granted(r.Context(), target); err != nil {
		return who, nil, err
	}
	who = policy.Principal{ClientID: r.query("clientId")}
	id, ok := strings.CutPrefix(target, "cert/")
	if !ok {
		return who, all, nil
	}
	who.CertificateID = id
	x, err := c.certificate(r.Context(), id)
	if name := x.ThingOf(who.ClientID); err == nil && name != "" {
		var t store.Thing
		t, err = c.cfg.Store.Thing(r.Context(), name)
		who.Thing, who.ThingType, who.Attributes = t.Name, t.Type, t.Attributes
	}
	return who, all, err
}

// granted lists the policies that decide about a certificate or a thing group.
func (c *Control) granted(ctx context.Context, target string) (all []*policy.Policy, err error) {
	if err := c.targetThere(ctx, target); err != nil {
		return nil, err
	}
	if id, ok := strings.CutPrefix(target, "cert/"); ok {
		return c.cfg.Policies(ctx, id)
	}
	targets, err := c.inherited(ctx, strings.TrimPrefix(target, "thinggroup/"))
	if err != nil {
		return nil, err
	}
	names, err := c.policiesOf(ctx, targets)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		p, err := c.namedPolicy(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// namedPolicy reads the default version of a policy.
func (c *Control) namedPolicy(ctx context.Context, name string) (*policy.Policy, error) {
	e, err := c.entry(ctx, store.KindPolicy, name, "Policy")
	if err != nil {
		return nil, err
	}
	b, err := c.cfg.Store.Body(ctx, e.Kind, e.Name, e.Default)
	if err != nil {
		return nil, err
	}
	return policy.ParseJSON(name, []byte(b.Text))
}

// effectivePolicies lists what decides about a certificate, a thing group, and a thing by its groups.
func (c *Control) effectivePolicies(r *request) (any, error) {
	var in struct {
		Principal string `json:"principal"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	var targets []string
	thing := r.query("thingName")
	if in.Principal != "" || thing == "" {
		target, err := c.target(in.Principal)
		if err != nil {
			return nil, err
		}
		targets = append(targets, target)
	}
	if thing != "" {
		_, err := c.cfg.Store.Thing(r.Context(), thing)
		if err != nil {
			return nil, noThing(thing, err)
		}
		groups, err := c.cfg.Store.GroupsOf(r.Context(), thing)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			targets = append(targets, store.GroupTarget(g))
		}
	}
	var out []obj
	seen := map[string]bool{}
	for _, target := range targets {
		all, err := c.granted(r.Context(), target)
		if err != nil {
			return nil, err
		}
		for _, p := range all {
			if !seen[p.Name] {
				seen[p.Name] = true
				out = append(out, obj{"policyName": p.Name, "policyArn": c.arn("policy/" + p.Name), "policyDocument": string(p.Document)})
			}
		}
	}
	return list("effectivePolicies", out, "", ""), nil
}

func (c *Control) authResult(info authInfo, d policy.Decision) obj {
	refs := func(names []string) obj { return obj{"policies": append([]obj{}, c.policyRefs(names)...)} }
	o := obj{"authInfo": info, "missingContextValues": []string{}, "allowed": refs(d.By)}
	denied := obj{"implicitDeny": refs(nil), "explicitDeny": refs(nil)}
	switch {
	case d.Denied != "":
		o["authDecision"], denied["explicitDeny"] = "EXPLICIT_DENY", refs([]string{d.Denied})
	case d.Allowed:
		o["authDecision"] = "ALLOWED"
	default:
		o["authDecision"] = "IMPLICIT_DENY"
	}
	o["denied"] = denied
	return o
}
