package awsiot

import (
	"maps"
	"net/http"
	"slices"

	"fountain/cloud/awsiot/control"
	"fountain/cloud/awsiot/rules"
)

// HTTP makes the HTTP side of the Core. endpoint answers DescribeEndpoint; objects serves presigned URLs and may be nil.
func (c *Core) HTTP(endpoint func(kind string) string, objects http.Handler) (*control.Control, error) {
	st := c.cfg.Stack
	cfg := control.Config{
		Region: st.Region, Account: st.Account, ARN: st.ARN, Store: c.cfg.Store, Authority: c.cfg.Authority, Broker: c.Broker,
		Provision: c.provision, Shadows: c.shadows, Jobs: c.jobs, Policies: c.who.Policies, Endpoint: endpoint, Objects: objects, Log: c.cfg.Log,
	}
	for _, name := range slices.Sorted(maps.Keys(st.Rules)) {
		r := st.Rules[name]
		rule := control.Rule{Name: r.Name, SQL: r.SQL, Description: r.Description, From: r.Query.From, Disabled: r.Disabled}
		for i := range r.Actions {
			rule.Actions = append(rule.Actions, action(&r.Actions[i]))
		}
		if r.ErrorAction != nil {
			rule.ErrorAction = action(r.ErrorAction)
		}
		cfg.Rules = append(cfg.Rules, rule)
	}
	return control.New(cfg)
}

// action is an action as GetTopicRule tells it.
func action(a *rules.Action) map[string]any {
	switch {
	case a.Queue != "":
		return map[string]any{"sqs": map[string]any{"queueUrl": a.URL, "useBase64": a.Base64, "roleArn": a.Role}}
	case a.Function != "":
		return map[string]any{"lambda": map[string]any{"functionArn": a.Function}}
	}
	return map[string]any{"republish": map[string]any{"topic": a.Topic.String(), "qos": a.QoS, "roleArn": a.Role}}
}
