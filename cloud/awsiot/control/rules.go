package control

import (
	"net/http"
	"slices"
	"strings"
)

func (c *Control) describeEndpoint(r *request) (any, error) {
	kind := r.query("endpointType")
	if kind == "" {
		kind = "iot:Data"
	}
	a := c.cfg.Endpoint(kind)
	if a == "" {
		return nil, invalid("endpointType %q is none of this cloud's", kind)
	}
	return obj{"endpointAddress": a}, nil
}

func (c *Control) listRules(r *request) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	topic, disabled := r.query("topic"), r.query("ruleDisabled")
	var found []Rule
	for _, rule := range c.cfg.Rules {
		if (topic == "" || rule.From == topic) && (disabled == "" || (disabled == "true") == rule.Disabled) {
			found = append(found, rule)
		}
	}
	found, token := cut(p, found, func(r Rule) string { return r.Name })
	var out []obj
	for _, rule := range found {
		out = append(out, obj{"ruleArn": c.arn("rule/" + rule.Name), "ruleName": rule.Name, "topicPattern": rule.From, "ruleDisabled": rule.Disabled})
	}
	return list("rules", out, "nextToken", token), nil
}

func (c *Control) getRule(r *request) (any, error) {
	name := r.PathValue("ruleName")
	i := slices.IndexFunc(c.cfg.Rules, func(rule Rule) bool { return rule.Name == name })
	if i < 0 { // AWS says so of a rule that is not there
		return nil, &failure{status: http.StatusUnauthorized, code: "UnauthorizedException", message: "Access to topic rule '" + name + "' was denied"}
	}
	rule := c.cfg.Rules[i]
	o := obj{
		"ruleName": rule.Name, "sql": strings.TrimSpace(rule.SQL), "ruleDisabled": rule.Disabled, "awsIotSqlVersion": "2016-03-23", "actions": rule.Actions,
	}
	if rule.Description != "" {
		o["description"] = rule.Description
	}
	if rule.ErrorAction != nil {
		o["errorAction"] = rule.ErrorAction
	}
	return obj{"ruleArn": c.arn("rule/" + name), "rule": o}, nil
}

// refuseRule: rules come from the template, because they are part of what is tested with it.
func (c *Control) refuseRule(*request) (any, error) {
	return nil, invalid("topic rules of this cloud come from its CloudFormation template: change the template and start the cloud with --template")
}
