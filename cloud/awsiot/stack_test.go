package awsiot

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"fountain/deploy"
	"fountain/internal/problem"
)

const testARN = "arn:aws:iot:us-east-1:123456789012:"

func testPolicy(t *testing.T, doc string) *Policy {
	t.Helper()
	text := "Resources:\n  P:\n    Type: AWS::IoT::Policy\n    Properties:\n      PolicyDocument: " + doc + "\n"
	s, err := LoadStack([]byte(text), "test.yaml", Location{})
	if err != nil {
		t.Fatal(err)
	}
	return s.policies["P"]
}

func TestPolicyEvaluation(t *testing.T) {
	allow := func(action, res string) string {
		return `{Effect: Allow, Action: "` + action + `", Resource: "` + testARN + res + `"}`
	}
	deny := func(action, res string) string {
		return `{Effect: Deny, Action: "` + action + `", Resource: "` + testARN + res + `"}`
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
		{"nothing allows", []string{allow("iot:Publish", "topic/a")}, me, ActPublish, "b", false},
		{"exact", []string{allow("iot:Publish", "topic/a/b")}, me, ActPublish, "a/b", true},
		{"another action", []string{allow("iot:Receive", "topic/a")}, me, ActPublish, "a", false},
		{"star crosses slashes", []string{allow("iot:Publish", "topic/a/*")}, me, ActPublish, "a/b/c", true},
		{"star matches nothing too", []string{allow("iot:Publish", "topic/a*")}, me, ActPublish, "a", true},
		{"star in the middle", []string{allow("iot:Publish", "topic/a/*/z")}, me, ActPublish, "a/b/z/c/z", true},
		{"star in the middle, no end", []string{allow("iot:Publish", "topic/a/*/z")}, me, ActPublish, "a/b/z/c", false},
		{"one character", []string{allow("iot:Publish", "topic/a?c")}, me, ActPublish, "abc", true},
		{"one character, none there", []string{allow("iot:Publish", "topic/a?c")}, me, ActPublish, "ac", false},
		{"one character of many bytes", []string{allow("iot:Publish", "topic/a?c")}, me, ActPublish, "aéc", true},
		{"plus is plain", []string{allow("iot:Subscribe", "topicfilter/a/+/c")}, me, ActSubscribe, "a/b/c", false},
		{"plus granted", []string{allow("iot:Subscribe", "topicfilter/a/+/c")}, me, ActSubscribe, "a/+/c", true},
		{"hash is plain", []string{allow("iot:Subscribe", "topicfilter/a/#")}, me, ActSubscribe, "a/b", false},
		{"a filter that grows over the grant", []string{allow("iot:Subscribe", "topicfilter/a/b")}, me, ActSubscribe, "a/#", false},
		{"explicit deny wins", []string{allow("iot:Publish", "topic/*"), deny("iot:Publish", "topic/secret/*")}, me, ActPublish, "secret/x", false},
		{"explicit deny elsewhere", []string{allow("iot:Publish", "topic/*"), deny("iot:Publish", "topic/secret/*")}, me, ActPublish, "open/x", true},
		{"deny before allow", []string{deny("iot:Publish", "topic/a"), allow("iot:Publish", "topic/a")}, me, ActPublish, "a", false},
		{"thing variable", []string{allow("iot:Publish", "topic/c/${iot:Connection.Thing.ThingName}")}, me, ActPublish, "c/u1", true},
		{"thing variable, another thing", []string{allow("iot:Publish", "topic/c/${iot:Connection.Thing.ThingName}")}, me, ActPublish, "c/u2", false},
		{"thing variable unresolved", []string{allow("iot:Publish", "topic/c/${iot:Connection.Thing.ThingName}")}, loose, ActPublish, "c/u1", false},
		{"thing variable unresolved is not empty", []string{allow("iot:Publish", "topic/c/${iot:Connection.Thing.ThingName}")}, loose, ActPublish, "c/", false},
		{"unresolved variable in a deny does not deny", []string{allow("iot:Publish", "topic/*"), deny("iot:Publish", "topic/c/${iot:Connection.Thing.ThingName}")}, loose, ActPublish, "c/u1", true},
		{"client id", []string{allow("iot:Connect", "client/${iot:ClientId}")}, loose, ActConnect, "u1", true},
		{"thing type", []string{allow("iot:Publish", "topic/${iot:Connection.Thing.ThingTypeName}/x")}, me, ActPublish, "kiosk/x", true},
		{"a star in the client id is plain", []string{allow("iot:Publish", "topic/c/${iot:ClientId}")}, Principal{ClientID: "*"}, ActPublish, "c/u1", false},
		{"topic is no filter", []string{allow("iot:*", "topic/a")}, me, ActSubscribe, "a", false},
		{"all actions", []string{allow("iot:*", "topic/a")}, me, ActReceive, "a", true},
		{"subscribe is no receive", []string{allow("iot:Subscribe", "topicfilter/*")}, me, ActReceive, "a", false},
		{"action list", []string{`{Effect: Allow, Action: [iot:Publish, iot:Receive], Resource: ["` + testARN + `topic/a", "` + testARN + `topic/b"]}`}, me, ActReceive, "b", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := testPolicy(t, `{Version: "2012-10-17", Statement: [`+strings.Join(tc.stmts, ", ")+`]}`)
			if got := allowed([]*Policy{p}, testARN, tc.who, tc.act, tc.res); got != tc.want {
				t.Fatalf("%s %s: %v, want %v", tc.act, tc.res, got, tc.want)
			}
		})
	}
	if allowed(nil, testARN, me, ActPublish, "a") {
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
		p, ok := compile(pattern, Principal{})
		if !ok {
			return // refused, so it matches nothing
		}
		if got, want := match(p, s), regexp.MustCompile(`^(?:`+q+`)$`).MatchString(s); got != want {
			t.Fatalf("%q on %q: %v, want %v", pattern, s, got, want)
		}
	})
}

// TestPlantedErrors breaks the deployed template in one place each; loading must refuse it, with the line.
func TestPlantedErrors(t *testing.T) {
	text := string(deploy.DeviceTemplate)
	for _, tc := range []struct{ name, old, with, says string }{
		{"typo in an action", "Action: iot:Subscribe", "Action: iot:Subscibe", `"iot:Subscibe"`},
		{"HTTPS action on MQTT", "Action: iot:Subscribe", "Action: iot:GetThingShadow", "iot:GetThingShadow"},
		{"typo in an effect", "Effect: Allow", "Effect: Alow", "Allow or Deny"},
		{"typo in a variable", "${!iot:Connection.Thing.ThingName}", "${!iot:Connection.Thing.Name}", "Thing.Name"},
		{"unescaped variable", "${!iot:Connection.Thing.ThingName}", "${iot:Connection.Thing.ThingName}", "write ${!iot:"},
		{"topic for a filter", ":topicfilter/$aws/things", ":topic/$aws/things", "does not go with"},
		{"another account", ":iot:${AWS::Region}:${AWS::AccountId}:client", ":iot:${AWS::Region}:111111111111:client", "not of this account"},
		{"dangling Ref", "QueueUrl: !Ref ConsumptionQueue", "QueueUrl: !Ref ConsumptionQ", "neither a parameter nor a resource"},
		{"dangling GetAtt", "!GetAtt ProvisioningRole.Arn", "!GetAtt ProvisionRole.Arn", "no resource"},
		{"dangling Sub", `"${DevicePolicy}"`, `"${DevicePolicies}"`, "DevicePolicies"},
		{"policy that is not there", `"${DevicePolicy}"`, `"fountain-units"`, "fountain-units"},
		{"SQL typo", "SELECT encode(", "SELECT encod(", "encod"},
		{"SQL beyond the subset", "FROM 'c/+'", "FROM 'c/+' WHERE x", "WHERE"},
		{"old SQL version", `AwsIotSqlVersion: "2016-03-23"`, `AwsIotSqlVersion: "2015-10-08"`, "2016-03-23"},
		{"body is no JSON", `"Parameters": {`, `"Parameters": {,`, "TemplateBody"},
		{"unknown parameter in the body", `{"Ref": "SerialNumber"}]]`, `{"Ref": "Serial"}]]`, `"Serial"`},
		{"certificate stays inactive", `"Status": "Active"`, `"Status": "Inactive"`, "Active"},
		{"template disabled", "Enabled: true", "Enabled: false", "Enabled"},
		{"no hook", "        TargetArn: !Ref PreProvisioningHookArn\n", "", "PreProvisioningHook"},
		{"condition", "Action: iot:Connect\n", "Action: iot:Connect\n            Condition: {Bool: {x: true}}\n", "Condition"},
		{"unknown function", "!GetAtt ConsumptionRole.Arn", "!ImportValue x", "!ImportValue"},
		{"key twice", "      Enabled: true", "      Enabled: true\n      Enabled: true", "Enabled"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if !strings.Contains(text, tc.old) {
				t.Fatalf("the template has no %q", tc.old)
			}
			broken := strings.Replace(text, tc.old, tc.with, 1)
			_, err := LoadStack([]byte(broken), "device.yaml", Location{Parameters: map[string]string{
				"PreProvisioningHookArn": "arn:aws:lambda:us-east-1:123456789012:function:claim",
			}})
			var p *problem.Problem
			if !errors.As(err, &p) || p.Code != problem.CodeBadConfig || p.Remedy == "" {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(p.Error(), tc.says) || !strings.Contains(p.Where, "device.yaml") {
				t.Fatalf("%q does not say %q", p, tc.says)
			}
		})
	}
}

// TestPolicySize: AWS refuses documents beyond 2,048 characters.
func TestPolicySize(t *testing.T) {
	text := strings.Replace(string(deploy.DeviceTemplate), "shadow/name/ledger/get\"", "shadow/name/"+strings.Repeat("x", 1500)+"/get\"", 1)
	_, err := LoadStack([]byte(text), "device.yaml", Location{Parameters: map[string]string{"PreProvisioningHookArn": "arn:aws:lambda:us-east-1:123456789012:function:claim"}})
	if err == nil || !strings.Contains(err.Error(), "2048") {
		t.Fatal(err)
	}
}

func TestSQL(t *testing.T) {
	in := RuleInput{Topic: "c/u1", ClientID: "u1", Payload: []byte(`{"a":{"b":7},"c":"x","big":9007199254740993}`), At: time.UnixMilli(1234)}
	for _, tc := range []struct{ sql, want string }{
		{`SELECT * FROM 'c/+'`, `{"a":{"b":7},"big":9007199254740993,"c":"x"}`},
		{`select topic(2) as thing, topic() as t, timestamp() as at, clientid() as id from 'c/+'`, `{"at":1234,"id":"u1","t":"c/u1","thing":"u1"}`},
		{`SELECT a.b AS n, c, 'text' AS s, 1.5 AS f`, `{"c":"x","f":1.5,"n":7,"s":"text"}`},
		{`SELECT nothing.there AS n, topic(9) AS t, 1 AS one`, `{"one":1}`},
		{`SELECT *, topic(2) AS c FROM 'x'`, `{"a":{"b":7},"big":9007199254740993,"c":"u1"}`},
	} {
		q, err := ParseQuery(tc.sql)
		if err != nil {
			t.Fatalf("%s: %v", tc.sql, err)
		}
		got, err := q.Run(in)
		if err != nil || string(got) != tc.want {
			t.Errorf("%s: %s, %v; want %s", tc.sql, got, err, tc.want)
		}
	}
	q, err := ParseQuery(`SELECT *, topic(2) AS thing FROM 'c/+'`)
	if err != nil {
		t.Fatal(err)
	}
	in.Payload = []byte(`[{"a":1}]`)
	if got, err := q.Run(in); !errors.Is(err, errNotObject) {
		t.Errorf("SELECT * on an array made %s", got)
	}
	for _, bad := range []string{
		"", "SELECT", "SELECT FROM 'x'", "SELECT topic(2) FROM 'x'", "SELECT * FROM x", "SELECT * FROM 'x", "SELECT * FROM ''", "SELECT a AS b, c AS b",
		"SELECT topic(0) AS t", "SELECT encode(a, 'base64') AS x", "SELECT encode(*, 'hex') AS x", "SELECT md5(a) AS x", "SELECT VALUE a FROM 'x'",
		"SELECT a + 1 AS b", "SELECT a AS b, * FROM 'x'", "SELECT * FROM 'x';", "SELECT a..b AS c", "DELETE FROM 'x'", "SELECT 00 AS a", "SELECT 1. AS a",
	} {
		_, err := ParseQuery(bad)
		var e *SQLError
		if !errors.As(err, &e) || e.At < 1 || e.At > len(bad)+1 {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzSQL(f *testing.F) {
	f.Add("SELECT *, topic(2) AS thing, timestamp() AS received_ms FROM 'c/+'", []byte(`{"a":1}`))
	f.Add("SELECT encode(*, 'base64') AS batch, 1.5 AS x, a.b.c", []byte(`[]`))
	f.Fuzz(func(t *testing.T, sql string, payload []byte) {
		q, err := ParseQuery(sql)
		if err != nil {
			var e *SQLError
			if !errors.As(err, &e) || e.At < 1 || e.At > len(sql)+1 {
				t.Fatalf("error without place: %v", err)
			}
			return
		}
		if _, err := q.Run(RuleInput{Topic: "c/u1", Payload: payload}); err != nil && !errors.Is(err, errNotObject) {
			t.Fatalf("%q ran into %v", sql, err)
		}
	})
}

func TestMatchFilter(t *testing.T) {
	for _, tc := range []struct {
		filter, topic string
		want          bool
	}{
		{"x/#", "x", false},
		{"x/#", "x/y", true},
		{"x/#", "x/y/z", true},
		{"x/+", "x/y", true},
		{"x/+", "x/y/z", false},
		{"+", "x", true},
		{"#", "x/y", true},
		{"#", "$aws/x", false},
		{"+/x", "$aws/x", false},
		{"$aws/+", "$aws/x", true},
		{"x", "x", true},
		{"x", "y", false},
	} {
		if got := matchFilter(tc.filter, tc.topic); got != tc.want {
			t.Errorf("%s on %s: %v", tc.filter, tc.topic, got)
		}
	}
}

// TestLeastPrivilege lists what the deployed policies grant, and things they must not.
func TestLeastPrivilege(t *testing.T) {
	s, err := LoadStack(deploy.DeviceTemplate, "device.yaml", Location{Parameters: map[string]string{
		"PreProvisioningHookArn": "arn:aws:lambda:us-east-1:123456789012:function:claim",
	}})
	if err != nil {
		t.Fatal(err)
	}
	unit, claim := s.policies["fountain-unit"], s.policies["fountain-claim"]
	me, claimant := Principal{ClientID: "fountain-1", Thing: "fountain-1"}, Principal{ClientID: "claim-1"}
	for _, tc := range []struct {
		policy *Policy
		who    Principal
		act    Action
		name   string
		want   bool
	}{
		{unit, me, ActConnect, "fountain-1", true},
		{unit, me, ActConnect, "fountain-2", false},
		{unit, me, ActPublish, "$aws/rules/fountain_consumption/c/fountain-1", true},
		{unit, me, ActPublish, "$aws/rules/fountain_consumption/c/fountain-1/x", false},
		{unit, me, ActPublish, "$aws/rules/fountain_consumption/c/fountain-2", false},
		{unit, me, ActPublish, "$aws/things/fountain-1/shadow/name/ledger/update", true},
		{unit, me, ActPublish, "$aws/things/fountain-1/shadow/name/ledger/delete", false},
		{unit, me, ActPublish, "$aws/things/fountain-1/shadow/name/ledger/update/accepted", false},
		{unit, me, ActPublish, "$aws/things/fountain-1/shadow/update", false},
		{unit, me, ActSubscribe, "$aws/things/fountain-1/shadow/name/ledger/get/+", true},
		{unit, me, ActSubscribe, "$aws/things/+/shadow/name/ledger/get/accepted", false},
		{unit, me, ActSubscribe, "$aws/things/fountain-1/#", false},
		{unit, me, ActReceive, "$aws/things/fountain-1/shadow/name/ledger/update/delta", true},
		{unit, me, ActReceive, "$aws/things/fountain-2/shadow/name/ledger/update/delta", false},
		{unit, me, ActRetain, "$aws/rules/fountain_consumption/c/fountain-1", false},
		{unit, me, ActPublish, "$aws/certificates/create-from-csr/json", false},
		{claim, claimant, ActConnect, "claim-1", true},
		{claim, claimant, ActConnect, "fountain-1", false},
		{claim, claimant, ActPublish, "$aws/certificates/create-from-csr/json", true},
		{claim, claimant, ActPublish, "$aws/certificates/create/json", false},
		{claim, claimant, ActPublish, "$aws/provisioning-templates/fountain-unit/provision/json", true},
		{claim, claimant, ActPublish, "$aws/provisioning-templates/other/provision/json", false},
		{claim, claimant, ActSubscribe, "$aws/provisioning-templates/fountain-unit/provision/json/accepted", true},
		{claim, claimant, ActSubscribe, "#", false},
		{claim, claimant, ActPublish, "$aws/rules/fountain_consumption/c/fountain-1", false},
		{claim, claimant, ActReceive, "$aws/things/fountain-1/shadow/name/ledger/update/delta", false},
	} {
		if got := allowed([]*Policy{tc.policy}, s.arn, tc.who, tc.act, tc.name); got != tc.want {
			t.Errorf("%s: %s %s: %v, want %v", tc.policy.Name, tc.act, tc.name, got, tc.want)
		}
	}
}
