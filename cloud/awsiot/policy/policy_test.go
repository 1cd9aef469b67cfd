package policy

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const testARN = "arn:aws:iot:us-east-1:123456789012:"

func testPolicy(t *testing.T, text string) *Policy {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseJSON("P", b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyEvaluation(t *testing.T) {
	allow := func(action, res string) string {
		return `{Effect: Allow, Action: "` + action + `", Resource: "` + testARN + res + `"}`
	}
	deny := func(action, res string) string {
		return `{Effect: Deny, Action: "` + action + `", Resource: "` + testARN + res + `"}`
	}
	but := func(effect, action, res string) string {
		return `{Effect: ` + effect + `, Action: "` + action + `", NotResource: "` + testARN + res + `"}`
	}
	me := Principal{ClientID: "u1", Thing: "u1", ThingType: "kiosk"}
	loose := Principal{ClientID: "u1"} // the client id is no thing of the certificate
	for _, tc := range []struct {
		name  string
		stmts []string
		who   Principal
		act   Action
		res   string
		want  bool
	}{
		{"nothing allows", []string{allow("iot:Publish", "topic/a")}, me, Publish, "b", false},
		{"exact", []string{allow("iot:Publish", "topic/a/b")}, me, Publish, "a/b", true},
		{"another action", []string{allow("iot:Receive", "topic/a")}, me, Publish, "a", false},
		{"star crosses slashes", []string{allow("iot:Publish", "topic/a/*")}, me, Publish, "a/b/c", true},
		{"star matches nothing too", []string{allow("iot:Publish", "topic/a*")}, me, Publish, "a", true},
		{"star in the middle", []string{allow("iot:Publish", "topic/a/*/z")}, me, Publish, "a/b/z/c/z", true},
		{"star in the middle, no end", []string{allow("iot:Publish", "topic/a/*/z")}, me, Publish, "a/b/z/c", false},
		{"one character", []string{allow("iot:Publish", "topic/a?c")}, me, Publish, "abc", true},
		{"one character, none there", []string{allow("iot:Publish", "topic/a?c")}, me, Publish, "ac", false},
		{"one character of many bytes", []string{allow("iot:Publish", "topic/a?c")}, me, Publish, "aéc", true},
		{"plus is plain", []string{allow("iot:Subscribe", "topicfilter/a/+/c")}, me, Subscribe, "a/b/c", false},
		{"plus granted", []string{allow("iot:Subscribe", "topicfilter/a/+/c")}, me, Subscribe, "a/+/c", true},
		{"hash is plain", []string{allow("iot:Subscribe", "topicfilter/a/#")}, me, Subscribe, "a/b", false},
		{"a filter that grows over the grant", []string{allow("iot:Subscribe", "topicfilter/a/b")}, me, Subscribe, "a/#", false},
		{"explicit deny wins", []string{allow("iot:Publish", "topic/*"), deny("iot:Publish", "topic/secret/*")}, me, Publish, "secret/x", false},
		{"explicit deny elsewhere", []string{allow("iot:Publish", "topic/*"), deny("iot:Publish", "topic/secret/*")}, me, Publish, "open/x", true},
		{"deny before allow", []string{deny("iot:Publish", "topic/a"), allow("iot:Publish", "topic/a")}, me, Publish, "a", false},
		{"thing variable", []string{allow("iot:Publish", "topic/c/${iot:Connection.Thing.ThingName}")}, me, Publish, "c/u1", true},
		{"thing variable, another thing", []string{allow("iot:Publish", "topic/c/${iot:Connection.Thing.ThingName}")}, me, Publish, "c/u2", false},
		{"thing variable unresolved", []string{allow("iot:Publish", "topic/c/${iot:Connection.Thing.ThingName}")}, loose, Publish, "c/u1", false},
		{"thing variable unresolved is not empty", []string{allow("iot:Publish", "topic/c/${iot:Connection.Thing.ThingName}")}, loose, Publish, "c/", false},
		{"unresolved variable in a deny does not deny", []string{allow("iot:Publish", "topic/*"), deny("iot:Publish", "topic/c/${iot:Connection.Thing.ThingName}")}, loose, Publish, "c/u1", true},
		{"client id", []string{allow("iot:Connect", "client/${iot:ClientId}")}, loose, Connect, "u1", true},
		{"thing type", []string{allow("iot:Publish", "topic/${iot:Connection.Thing.ThingTypeName}/x")}, me, Publish, "kiosk/x", true},
		{"a star in the client id is plain", []string{allow("iot:Publish", "topic/c/${iot:ClientId}")}, Principal{ClientID: "*"}, Publish, "c/u1", false},
		{"topic is no filter", []string{allow("iot:*", "topic/a")}, me, Subscribe, "a", false},
		{"all actions", []string{allow("iot:*", "topic/a")}, me, Receive, "a", true},
		{"subscribe is no receive", []string{allow("iot:Subscribe", "topicfilter/*")}, me, Receive, "a", false},
		{"all but", []string{but("Allow", "iot:Receive", "topic/a/restricted/*")}, me, Receive, "a/b", true},
		{"all but this", []string{but("Allow", "iot:Receive", "topic/a/restricted/*")}, me, Receive, "a/restricted/b", false},
		{"all but, of another action", []string{but("Allow", "iot:Receive", "topic/a")}, me, Publish, "b", false},
		{"deny all but", []string{allow("iot:Publish", "topic/*"), but("Deny", "iot:Publish", "topic/${iot:ClientId}/*")}, me, Publish, "u1/x", true},
		{"deny all but one's own", []string{allow("iot:Publish", "topic/*"), but("Deny", "iot:Publish", "topic/${iot:ClientId}/*")}, me, Publish, "u2/x", false},
		{"all but what is unresolved", []string{but("Allow", "iot:Publish", "topic/${iot:Connection.Thing.ThingName}")}, loose, Publish, "u1", false},
		{"deny all but what is unresolved", []string{allow("iot:Publish", "topic/*"), but("Deny", "iot:Publish", "topic/${iot:Connection.Thing.ThingName}")}, loose, Publish, "u1", false},
		{"action list", []string{`{Effect: Allow, Action: [iot:Publish, iot:Receive], Resource: ["` + testARN + `topic/a", "` + testARN + `topic/b"]}`}, me, Receive, "b", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := testPolicy(t, `{Version: "2012-10-17", Statement: [`+strings.Join(tc.stmts, ", ")+`]}`)
			if got := Allowed([]*Policy{p}, testARN, tc.who, tc.act, tc.res); got != tc.want {
				t.Fatalf("%s %s: %v, want %v", tc.act, tc.res, got, tc.want)
			}
		})
	}
	if Allowed(nil, testARN, me, Publish, "a") {
		t.Fatal("no policy allows something")
	}
}

// FuzzMatch compares the matcher with a regular expression.
func FuzzMatch(f *testing.F) {
	f.Add("a/*/z?", "a/b/z1")
	f.Add("**a*", "bab")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 40 || len(s) > 200 || strings.Contains(pattern, "${") || pattern != strings.ToValidUTF8(pattern, "") || s != strings.ToValidUTF8(s, "") {
			return // not what a policy can hold
		}
		q := regexp.QuoteMeta(pattern)
		q = strings.ReplaceAll(strings.ReplaceAll(q, `\*`, `(?s:.*)`), `\?`, `(?s:.)`)
		p, ok := (&statement{}).compile(pattern, &Principal{})
		if !ok {
			return // refused, so it matches nothing
		}
		if got, want := match(p, s), regexp.MustCompile(`^(?:`+q+`)$`).MatchString(s); got != want {
			t.Fatalf("%q on %q: %v, want %v", pattern, s, got, want)
		}
	})
}
