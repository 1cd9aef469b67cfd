package control_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestShadows(t *testing.T) {
	c := newCloud(t)
	up := c.data("POST", "/things/a/shadow", `{"state":{"desired":{"x":1}},"clientToken":"t"}`).ok()
	if up["version"] != 1.0 || up["clientToken"] != "t" || get(up, "state", "desired", "x") != 1.0 {
		t.Fatal(up)
	}
	if d := c.data("GET", "/things/a/shadow", nil).ok(); get(d, "state", "delta", "x") != 1.0 || get(d, "metadata", "desired", "x", "timestamp") == nil {
		t.Fatal(d)
	}
	c.data("POST", "/things/a/shadow", `{"state":{"desired":{"x":1}},"version":9}`).fails(409, "ConflictException")
	c.data("POST", "/things/a/shadow", `{"state":`).fails(400, "InvalidRequestException")
	c.data("POST", "/things/a/shadow", `{"state":{"desired":{"x":"`+strings.Repeat("y", 9000)+`"}}}`).fails(413, "RequestEntityTooLargeException")
	c.data("PUT", "/things/a/shadow", `{"state":{}}`).fails(405, "MethodNotAllowedException")
	c.data("GET", "/things/a/shadow?name=n", nil).fails(404, "ResourceNotFoundException")
	c.data("POST", "/things/a/shadow?name=n", `{"state":{"reported":{"x":1}}}`).ok()
	wantList(t, column(c.data("GET", "/api/things/shadow/ListNamedShadowsForThing/a", nil).ok()["results"], ""), "n")
	if d := c.data("DELETE", "/things/a/shadow", nil).ok(); d["version"] != 1.0 {
		t.Fatal(d)
	}
	c.data("GET", "/things/a/shadow", nil).fails(404, "ResourceNotFoundException")
}

func TestPublishAndRetained(t *testing.T) {
	c := newCloud(t)
	topic := url.PathEscape("a/b c")
	user := base64.StdEncoding.EncodeToString([]byte(`[{"k":"v"}]`))
	ok := c.data("POST", "/topics/"+topic+"?qos=1&retain=true&contentType=text/plain", "\x00\xffhi", "x-amz-mqtt5-user-properties", user).ok()
	if ok["message"] != "OK" {
		t.Fatal(ok)
	}
	m := c.data("GET", "/retainedMessage/"+topic, nil).ok()
	if m["payload"] != base64.StdEncoding.EncodeToString([]byte("\x00\xffhi")) || m["qos"] != 1.0 || m["topic"] != "a/b c" || m["lastModifiedTime"].(float64) < 1e12 {
		t.Fatal(m)
	}
	if b, _ := base64.StdEncoding.DecodeString(m["userProperties"].(string)); string(b) != `[{"k":"v"}]` {
		t.Fatalf("user properties %s", b)
	}
	c.data("POST", "/topics/a/raw?retain=true", "x").ok() // the slash need not be escaped
	l := c.data("GET", "/retainedMessage", nil).ok()
	wantList(t, column(l["retainedTopics"], "topic"), "a/b c", "a/raw")
	page := c.data("GET", "/retainedMessage?maxResults=1", nil).ok()
	wantList(t, column(page["retainedTopics"], "topic"), "a/b c")
	wantList(t, column(c.data("GET", "/retainedMessage?maxResults=1&nextToken="+page["nextToken"].(string), nil).ok()["retainedTopics"], "topic"), "a/raw")
	c.data("POST", "/topics/"+topic+"?retain=true", nil).ok()
	c.data("GET", "/retainedMessage/"+topic, nil).fails(404, "ResourceNotFoundException")

	c.data("POST", "/topics/"+url.PathEscape("$aws/nothing"), "x").fails(400, "InvalidRequestException")
	c.data("POST", "/topics/"+url.PathEscape("a/+"), "x").fails(400, "InvalidRequestException")
	c.data("POST", "/topics/a?qos=2", "x").fails(400, "InvalidRequestException")
	c.data("POST", "/topics/a", strings.Repeat("x", 128*1024+1)).fails(413, "RequestEntityTooLargeException")
	c.data("POST", "/topics/a", strings.Repeat("x", 1<<20)).fails(413, "RequestEntityTooLargeException")
	c.data("POST", "/topics/"+url.PathEscape("$aws/rules/fountain_consumption/c/u1"), "[]").ok()
	if got := <-c.seen; got != "rule" {
		t.Fatal(got)
	}
	c.data("DELETE", "/connections/nobody", nil).fails(404, "ResourceNotFoundException")
}

func TestJobs(t *testing.T) {
	c := newCloud(t)
	c.iot("POST", "/things/a1", nil).ok()
	job := map[string]any{"targets": []string{arn + "thing/a1"}, "document": `{"op":1}`}
	if j := c.iot("PUT", "/jobs/j1", job).ok(); j["jobArn"] != arn+"job/j1" {
		t.Fatal(j)
	}
	c.iot("PUT", "/jobs/j1", map[string]any{"targets": []string{arn + "thing/a1"}, "document": `{"op":2}`}).fails(409, "ResourceAlreadyExistsException")
	if d := c.iot("GET", "/jobs/j1/job-document", nil).ok(); d["document"] != `{"op":1}` {
		t.Fatal(d)
	}
	// The same path means one thing to an operator and another to a device.
	wantList(t, column(c.iot("GET", "/things/a1/jobs", nil).ok()["executionSummaries"], "jobId"), "j1")
	wantList(t, column(c.jobsData("GET", "/things/a1/jobs", nil).ok()["queuedJobs"], "jobId"), "j1")
	e := c.jobsData("PUT", "/things/a1/jobs/$next", map[string]any{"statusDetails": map[string]string{"a": "b"}}).ok()
	if get(e, "execution", "jobDocument") != `{"op":1}` || get(e, "execution", "versionNumber") != 2.0 {
		t.Fatalf("over HTTPS the document is a text: %v", e)
	}
	if d := c.jobsData("GET", "/things/a1/jobs/%24next?includeJobDocument=false", nil).ok(); get(d, "execution", "jobDocument") != nil {
		t.Fatal(d)
	}
	u := c.jobsData("POST", "/things/a1/jobs/j1", map[string]any{"status": "SUCCEEDED", "expectedVersion": 2}).ok()
	for _, answer := range []map[string]any{c.jobsData("GET", "/things/a1/jobs", nil).ok(), e, c.jobsData("GET", "/things/a1/jobs/$next", nil).ok(), u} {
		if answer["timestamp"] != nil {
			t.Errorf("over HTTPS there is no timestamp: %v", answer)
		}
	}
	c.jobsData("POST", "/things/a1/jobs/j1", map[string]any{"status": "IN_PROGRESS"}).fails(409, "InvalidStateTransitionException")
	c.jobsData("GET", "/things/a1/jobs/none", nil).fails(404, "ResourceNotFoundException")
	if d := c.iot("GET", "/things/a1/jobs/j1", nil).ok(); get(d, "execution", "status") != "SUCCEEDED" {
		t.Fatal(d)
	}
	c.iot("GET", "/jobs/none", nil).fails(404, "ResourceNotFoundException")
	wantList(t, column(c.iot("GET", "/jobs", nil).ok()["jobs"], "jobId"), "j1")
	c.iot("DELETE", "/jobs/j1?force=true", nil).ok()
}

// TestJobTemplates: those of the stack and those made here fill in what a job leaves open.
func TestJobTemplates(t *testing.T) {
	c := newCloud(t)
	c.iot("POST", "/things/a1", nil).ok()
	tmpl := map[string]any{"description": "d", "document": `{"op":1}`, "timeoutConfig": map[string]any{"inProgressTimeoutInMinutes": 7}}
	made := c.iot("PUT", "/job-templates/mine", tmpl).ok()
	if made["jobTemplateArn"] != arn+"jobtemplate/mine" {
		t.Fatal(made)
	}
	c.iot("PUT", "/job-templates/mine", tmpl).fails(409, "ConflictException")
	c.iot("PUT", "/job-templates/bad", map[string]any{"description": "d"}).fails(400, "InvalidRequestException")
	c.iot("PUT", "/job-templates/bad", map[string]any{"document": "{}"}).fails(400, "InvalidRequestException")
	c.iot("PUT", "/job-templates/bad", map[string]any{"description": "d", "document": "{}", "jobExecutionsRolloutConfig": map[string]any{"maximumPerMinute": 100000}}).fails(400, "InvalidRequestException")
	job := map[string]any{"targets": []string{arn + "thing/a1"}, "jobTemplateArn": arn + "jobtemplate/mine"}
	c.iot("PUT", "/jobs/j1", job).ok()
	d := c.iot("GET", "/jobs/j1", nil).ok()
	if get(d, "job", "timeoutConfig", "inProgressTimeoutInMinutes") != 7.0 || get(d, "job", "description") != "d" {
		t.Fatal(d)
	}
	if doc := c.iot("GET", "/jobs/j1/job-document", nil).ok()["document"]; doc != `{"op":1}` {
		t.Fatal(doc)
	}
	c.iot("PUT", "/job-templates/like", map[string]any{"jobArn": arn + "job/j1", "description": "e"}).ok()
	if d := c.iot("GET", "/job-templates/like", nil).ok(); d["document"] != `{"op":1}` || d["description"] != "e" || get(d, "timeoutConfig", "inProgressTimeoutInMinutes") != 7.0 {
		t.Fatal(d)
	}
	c.iot("PUT", "/jobs/j2", map[string]any{"targets": []string{arn + "thing/a1"}, "jobTemplateArn": arn + "jobtemplate/none"}).fails(404, "ResourceNotFoundException")
	ofStack := column(c.iot("GET", "/job-templates", nil).ok()["jobTemplates"], "jobTemplateId")
	if len(ofStack) < 3 {
		t.Fatalf("the stack's job templates are not here: %v", ofStack)
	}
	c.iot("DELETE", "/job-templates/"+ofStack[0], nil).fails(400, "InvalidRequestException")
	c.iot("DELETE", "/job-templates/mine", nil).ok()
	c.iot("GET", "/job-templates/mine", nil).fails(404, "ResourceNotFoundException")
}

// TestDevice: who shows a certificate may what its policies say, and nothing of the control plane.
func TestDevice(t *testing.T) {
	c := newCloud(t)
	unit, a := c.device(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iot:Publish","Resource":"` + arn + `topic/ok/*"},
		{"Effect":"Allow","Action":["iot:GetThingShadow","iot:UpdateThingShadow"],"Resource":["` + arn + `thing/u1","` + arn + `thing/u1/n"]},
		{"Effect":"Allow","Action":"iot:GetPendingJobExecutions","Resource":"` + arn + `thing/u1"}]}`)
	do := func(method, path string, body any) *answer {
		t.Helper()
		return c.send(unit, c.httpsURL(), "", method, path, body)
	}
	c.iot("POST", "/things/u1", nil).ok()
	do("POST", "/topics/ok/x?qos=1", "hi").ok()
	do("POST", "/topics/no/x?qos=1", "hi").fails(403, "ForbiddenException")
	do("POST", "/things/u1/shadow", `{"state":{"reported":{"a":1}}}`).ok()
	do("POST", "/things/u1/shadow?name=n", `{"state":{"reported":{"a":1}}}`).ok()
	do("GET", "/things/u1/shadow", nil).ok()
	do("GET", "/things/u1/shadow?name=other", nil).fails(403, "ForbiddenException")
	do("DELETE", "/things/u1/shadow", nil).fails(403, "ForbiddenException")
	do("GET", "/things/u2/shadow", nil).fails(403, "ForbiddenException")
	do("GET", "/things/u1/jobs", nil).ok()
	do("PUT", "/things/u1/jobs/$next", nil).fails(403, "ForbiddenException")
	do("GET", "/retainedMessage", nil).fails(403, "ForbiddenException")
	do("DELETE", "/connections/u1", nil).fails(403, "ForbiddenException")
	do("GET", "/policies", nil).fails(404, "ResourceNotFoundException")

	id := a[len(a)-64:]
	c.iot("POST", "/policies/more", map[string]string{"policyDocument": anything}).ok()
	c.iot("PUT", "/target-policies/more", map[string]string{"target": a}).ok()
	do("POST", "/topics/no/x?qos=1", "hi").ok() // a policy counts from its attachment on
	c.iot("PUT", "/certificates/"+id+"?newStatus=INACTIVE", nil).ok()
	do("POST", "/topics/ok/x?qos=1", "hi").fails(403, "ForbiddenException")

	nobody := c.httpsClient()
	c.send(nobody, c.httpsURL(), "", "GET", "/things/u1/shadow", nil).fails(403, "MissingAuthenticationTokenException")
	c.send(nobody, c.httpsURL(), "iotdata", "GET", "/things/u1/shadow", nil).ok()
	if got := c.send(nobody, c.httpsURL(), "", "GET", "/bucket/key?X-Amz-Signature=1", nil); got.text != "object /bucket/key" {
		t.Fatalf("%d %s", got.status, got.text)
	}
}

// TestAuthorization: the question is answered as the broker would decide.
func TestAuthorization(t *testing.T) {
	c := newCloud(t)
	_, a := c.device(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"iot:*","Resource":"` + arn + `topic/${iot:Connection.Thing.ThingName}/*"},
		{"Effect":"Deny","Action":"iot:Publish","Resource":"` + arn + `topic/*/no"}]}`)
	c.iot("POST", "/things/u1", nil).ok()
	c.iot("PUT", "/things/u1/principals", nil, "x-amzn-principal", a).ok()
	ask := func(query, topic string, more ...string) any {
		t.Helper()
		in := map[string]any{"principal": a, "authInfos": []any{map[string]any{"actionType": "PUBLISH", "resources": []string{arn + "topic/" + topic}}}}
		if len(more) > 0 {
			in["policyNamesToAdd"] = more
		}
		return get(c.iot("POST", "/test-authorization"+query, in).ok(), "authResults", 0, "authDecision")
	}
	if got := ask("?clientId=u1", "u1/x"); got != "ALLOWED" {
		t.Error(got)
	}
	if got := ask("?clientId=u1", "u1/no"); got != "EXPLICIT_DENY" {
		t.Error(got)
	}
	if got := ask("?clientId=u2", "u1/x"); got != "IMPLICIT_DENY" {
		t.Error(got)
	}
	c.iot("POST", "/policies/all", map[string]string{"policyDocument": anything}).ok()
	if got := ask("?clientId=u2", "u1/x", "all"); got != "ALLOWED" {
		t.Error(got)
	}
	c.iot("POST", "/test-authorization", map[string]any{"principal": a}).fails(400, "InvalidRequestException")
	c.iot("POST", "/test-authorization", map[string]any{"principal": a, "authInfos": []any{map[string]any{"actionType": "FLY", "resources": []string{"x"}}}}).fails(400, "InvalidRequestException")
}

// TestGroupPolicy: a policy of a thing group counts for the certificates of its things, and of the groups below.
func TestGroupPolicy(t *testing.T) {
	c := newCloud(t)
	unit, a := c.device("")
	c.iot("POST", "/things/u1", nil).ok()
	c.iot("PUT", "/things/u1/principals", nil, "x-amzn-principal", a).ok()
	c.iot("POST", "/thing-groups/top", nil).ok()
	c.iot("POST", "/thing-groups/low", map[string]any{"parentGroupName": "top"}).ok()
	c.iot("PUT", "/thing-groups/addThingToThingGroup", map[string]any{"thingGroupName": "low", "thingName": "u1"}).ok()
	c.iot("POST", "/policies/p", map[string]string{"policyDocument": anything}).ok()
	publish := func() *answer { return c.send(unit, c.httpsURL(), "", "POST", "/topics/x", "hi") }
	publish().fails(403, "ForbiddenException")
	c.iot("PUT", "/target-policies/p", map[string]string{"target": arn + "thinggroup/top"}).ok()
	publish().ok()
	effective := func(query string, body any) []string {
		t.Helper()
		return column(c.iot("POST", "/effective-policies"+query, body).ok()["effectivePolicies"], "policyName")
	}
	low := arn + "thinggroup/low"
	wantList(t, effective("", map[string]any{"principal": low}), "p")
	wantList(t, effective("?thingName=u1", nil), "p")
	if mine := effective("?thingName=u1", map[string]any{"principal": a}); !slices.Contains(mine, "p") || len(mine) != len(slices.Compact(slices.Sorted(slices.Values(mine)))) {
		t.Errorf("of certificate and thing: %v", mine)
	}
	c.iot("POST", "/effective-policies", nil).fails(400, "InvalidRequestException")
	c.iot("POST", "/effective-policies?thingName=none", nil).fails(404, "ResourceNotFoundException")
	ask := map[string]any{"principal": low, "authInfos": []any{map[string]any{"actionType": "PUBLISH", "resources": []string{arn + "topic/x"}}}}
	if got := get(c.iot("POST", "/test-authorization", ask).ok(), "authResults", 0, "authDecision"); got != "ALLOWED" {
		t.Errorf("a thing group may %v", got)
	}
	ask["principal"] = arn + "thinggroup/none"
	c.iot("POST", "/test-authorization", ask).fails(404, "ResourceNotFoundException")
	job := map[string]any{"targets": []string{arn + "thinggroup/top"}, "document": `{"v":1}`}
	c.iot("PUT", "/jobs/j", job).ok()
	if got := c.iot("GET", "/jobs/j/things", nil).ok()["executionSummaries"]; len(got.([]any)) != 1 {
		t.Errorf("a job does not reach the groups below its target: %v", got)
	}
	if got := c.iot("GET", "/jobs?thingGroupName=top", nil).ok()["jobs"]; len(got.([]any)) != 1 {
		t.Errorf("jobs of the group: %v", got)
	}
	c.iot("GET", "/jobs?thingGroupName=none", nil).fails(404, "ResourceNotFoundException")
	c.iot("PUT", "/thing-groups/removeThingFromThingGroup", map[string]any{"thingGroupName": "low", "thingName": "u1"}).ok()
	publish().fails(403, "ForbiddenException")
}

// TestFromElsewhere: signatures are not checked, so nobody on another machine is an administrator.
func TestFromElsewhere(t *testing.T) {
	c := newCloud(t)
	h, err := c.core.HTTP(func(string) string { return "" }, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, handler := range map[string]http.Handler{"control": h.Handler(), "https": h.DeviceHandler()} {
		for from, want := range map[string]int{"192.0.2.7:5": 403, "[2001:db8::1]:5": 403, "": 403, "127.0.0.1:5": 200, "[::1]:5": 200, "[::ffff:127.0.0.1]:5": 200} {
			r := httptest.NewRequest(http.MethodGet, "/things", nil)
			r.RemoteAddr = from
			r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20261123/us-east-1/iot/aws4_request, Signature=00")
			w := httptest.NewRecorder()
			if handler.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%s from %q: %d", name, from, w.Code)
			}
		}
	}
}

// TestBrowsers: a page in a browser on this machine gets nothing.
func TestBrowsers(t *testing.T) {
	c := newCloud(t)
	for name, header := range map[string][]string{
		"foreign origin": {"Origin", "http://evil.example"}, "foreign site": {"Sec-Fetch-Site", "cross-site"}, "another name": {"Host", "evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				r, err := http.NewRequestWithContext(t.Context(), method, c.admin.URL+"/things/x", nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set(header[0], header[1])
				if header[0] == "Host" {
					r.Host = header[1]
				}
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				if res.Body.Close(); res.StatusCode != http.StatusForbidden {
					t.Errorf("%s: %d", method, res.StatusCode)
				}
			}
		})
	}
}
