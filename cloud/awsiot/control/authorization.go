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
	id, err := c.principal(in.Principal)
	if err != nil {
		return nil, err
	}
	who, all, err := c.asked(r, id)
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

// asked is who a certificate would be under the client id of the request, and its policies.
func (c *Control) asked(r *request, id string) (who policy.Principal, all []*policy.Policy, err error) {
	x, err := c.certificate(r.Context(), id)
	if err != nil {
		return who, nil, err
	}
	who = policy.Principal{ClientID: r.query("clientId"), CertificateID: id}
	if slices.Contains(x.Things, who.ClientID) {
		t, err := c.cfg.Store.Thing(r.Context(), who.ClientID)
		if err != nil {
			return who, nil, err
		}
		who.Thing, who.ThingType, who.Attributes = t.Name, t.Type, t.Attributes
	}
	all, err = c.cfg.Policies(r.Context(), id)
	return who, all, err
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
