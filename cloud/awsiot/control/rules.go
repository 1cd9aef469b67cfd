package control

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"fountain/cloud/awsiot/rules"
)

func (c *Control) listRules(r *request) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	topic, disabled := r.query("topic"), r.query("ruleDisabled")
	var found []*rules.Rule
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Rules)) {
		rule := c.cfg.Rules[name]
		if (topic == "" || rule.Query.From == topic) && (disabled == "" || (disabled == "true") == rule.Disabled) {
			found = append(found, rule)
		}
	}
	found, token := cut(p, found, func(r *rules.Rule) string { return r.Name })
	var out []obj
	for _, rule := range found {
		out = append(out, obj{"ruleArn": c.arn("rule/" + rule.Name), "ruleName": rule.Name, "topicPattern": rule.Query.From, "ruleDisabled": rule.Disabled})
	}
	return list("rules", out, "nextToken", token), nil
}

func (c *Control) getRule(r *request) (any, error) {
	name := r.PathValue("ruleName")
	rule := c.cfg.Rules[name]
	if rule == nil { // AWS says so of a rule that is not there
		return nil, &failure{status: http.StatusUnauthorized, code: "UnauthorizedException", message: "Access to topic rule '" + name + "' was denied"}
	}
	actions := []obj{}
	for i := range rule.Actions {
		actions = append(actions, ruleAction(&rule.Actions[i]))
	}
	o := obj{
		"ruleName": name, "sql": strings.TrimSpace(rule.SQL), "ruleDisabled": rule.Disabled, "awsIotSqlVersion": "2016-03-23", "actions": actions,
	}
	if rule.Description != "" {
		o["description"] = rule.Description
	}
	if rule.ErrorAction != nil {
		o["errorAction"] = ruleAction(rule.ErrorAction)
	}
	return obj{"ruleArn": c.arn("rule/" + name), "rule": o}, nil
}

func ruleAction(a *rules.Action) obj {
	switch {
	case a.Queue != "":
		return obj{"sqs": obj{"queueUrl": a.URL, "useBase64": a.Base64, "roleArn": a.Role}}
	case a.Function != "":
		return obj{"lambda": obj{"functionArn": a.Function}}
	}
	return obj{"republish": obj{"topic": a.Topic.String(), "qos": a.QoS, "roleArn": a.Role}}
}

// refuseRule: rules come from the template, because they are part of what is tested with it.
func (c *Control) refuseRule(*request) (any, error) {
	return nil, invalid("topic rules of this cloud come from its CloudFormation template: change the template and start the cloud with --template")
}
