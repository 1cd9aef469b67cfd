package control_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func tags(kv ...string) []map[string]string {
	out := []map[string]string{}
	for i := 0; i+1 < len(kv); i += 2 {
		out = append(out, map[string]string{"Key": kv[i], "Value": kv[i+1]})
	}
	return out
}

// TestTags: what can have tags takes them when it is made and later; nothing else does.
func TestTags(t *testing.T) {
	c := newCloud(t)
	listed := func(resource string) string {
		t.Helper()
		all, _ := c.iot("GET", "/tags?resourceArn="+url.QueryEscape(arn+resource), nil).ok()["tags"].([]any)
		var out []string
		for _, x := range all {
			out = append(out, fmt.Sprintf("%v=%v", get(x, "Key"), get(x, "Value")))
		}
		return strings.Join(out, " ")
	}
	tag := func(resource string, with []map[string]string) *answer {
		t.Helper()
		return c.iot("POST", "/tags", map[string]any{"resourceArn": arn + resource, "tags": with})
	}
	c.iot("POST", "/things/t", nil).ok()
	first := tags("b", "2", "a", "1")
	for resource, made := range map[string]*answer{
		"thinggroup/g": c.iot("POST", "/thing-groups/g", map[string]any{"tags": first}),
		"thingtype/y":  c.iot("POST", "/thing-types/y", map[string]any{"tags": first}),
		"policy/p":     c.iot("POST", "/policies/p", map[string]any{"policyDocument": anything, "tags": first}),
		"provisioningtemplate/x": c.iot("POST", "/provisioning-templates", map[string]any{
			"templateName": "x", "templateBody": templateBody, "provisioningRoleArn": "arn:aws:iam::123456789012:role/r", "tags": first,
		}),
		"jobtemplate/j": c.iot("PUT", "/job-templates/j", map[string]any{"description": "d", "document": "{}", "tags": first}),
		"job/j":         c.iot("PUT", "/jobs/j", map[string]any{"targets": []string{arn + "thing/t"}, "document": "{}", "tags": first}),
	} {
		made.ok()
		if got := listed(resource); got != "a=1 b=2" {
			t.Errorf("%s was made with %s", resource, got)
		}
		tag(resource, tags("a", "3", "c d", "")).ok()
		c.iot("POST", "/untag", map[string]any{"resourceArn": arn + resource, "tagKeys": []string{"b", "none"}}).ok()
		if got := listed(resource); got != "a=3 c d=" {
			t.Errorf("%s has %s", resource, got)
		}
	}
	if got := listed("policy/fountain-unit"); got != "" {
		t.Errorf("never tagged: %s", got)
	}
	c.iot("DELETE", "/thing-groups/g", nil).ok()
	tag("thinggroup/g", first).fails(404, "ResourceNotFoundException")
	c.iot("POST", "/thing-groups/g", nil).ok()
	if got := listed("thinggroup/g"); got != "" {
		t.Errorf("a group under an old name has the old tags: %s", got)
	}

	var many []string
	for i := range 51 {
		many = append(many, fmt.Sprint("k", i), "v")
	}
	tag("thinggroup/g", tags(many[:100]...)).ok()
	tag("thinggroup/g", tags("one more", "")).fails(410, "LimitExceededException")
	for _, wrong := range [][]map[string]string{
		nil, tags("aws:x", "1"), tags("", "1"), tags("a*", "1"), tags("a", "1", "a", "2"), tags(strings.Repeat("k", 129), ""),
		tags("a", strings.Repeat("v", 257)), tags(many...),
	} {
		tag("policy/p", wrong).fails(400, "InvalidRequestException")
	}
	c.iot("POST", "/thing-groups/g2", map[string]any{"tags": tags("aws:x", "1")}).fails(400, "InvalidRequestException")
	c.iot("GET", "/thing-groups/g2", nil).fails(404, "ResourceNotFoundException")
	c.iot("POST", "/untag", map[string]any{"resourceArn": arn + "policy/p"}).fails(400, "InvalidRequestException")
	tag("job/none", first).fails(404, "ResourceNotFoundException")
	tag("thing/t", first).fails(400, "InvalidRequestException")
	c.iot("GET", "/tags?resourceArn=x", nil).fails(400, "InvalidRequestException")
}

// TestNamesInPaths: a name that cannot be is not a name that is not there.
func TestNamesInPaths(t *testing.T) {
	c := newCloud(t)
	c.iot("POST", "/things/t", nil).ok()
	long := strings.Repeat("x", 129)
	for _, call := range []string{
		"GET /things/", "PATCH /things/", "DELETE /things/", "GET /things/%/principals", "GET /things/%/thing-groups", "GET /thing-types/",
		"GET /thing-groups/", "GET /policies/", "DELETE /policies/", "GET /policies/%/version", "PUT /target-policies/", "POST /policy-targets/",
		"GET /provisioning-templates/", "GET /job-templates/", "GET /rules/",
	} {
		method, path, _ := strings.Cut(call, " ")
		for _, name := range []string{"a%20b", "a%2Fb", "%C3%A4", long} {
			full := path + name
			if strings.Contains(path, "%") {
				full = strings.Replace(path, "%", name, 1)
			}
			c.iot(method, full, nil).fails(400, "InvalidRequestException")
		}
	}
	c.data("GET", "/things/a%20b/shadow", nil).fails(400, "InvalidRequestException")
	c.data("GET", "/api/things/shadow/ListNamedShadowsForThing/a%20b", nil).fails(400, "InvalidRequestException")
	c.iot("PUT", "/thing-groups/addThingToThingGroup", map[string]any{"thingGroupName": "a b", "thingName": "t"}).fails(400, "InvalidRequestException")
	c.iot("PUT", "/thing-groups/addThingToThingGroup", map[string]any{"thingGroupName": "a", "thingName": "t/"}).fails(400, "InvalidRequestException")
	c.iot("POST", "/things/u", map[string]any{"thingTypeName": "a b"}).fails(400, "InvalidRequestException")
}
