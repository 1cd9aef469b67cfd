package awsiot_test

import (
	"encoding/json"
	"testing"

	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/awsiot/stack"
	"fountain/deploy"
	"fountain/sync/wire"
)

// TestLedgerShadow: the cloud writes, a connected unit sees the delta, a unit that comes later gets the document.
func TestLedgerShadow(t *testing.T) {
	c := newCloud(t)
	me, cert := c.provision("F0030")
	cl := c.dial(me, cert)
	p := wire.Shadow(me, "ledger")
	cl.sub(p.Delta(), p.Accepted("get"), p.Rejected("get"), p.Accepted("update"), p.Rejected("update"))

	cl.pub(p.Request("get"), []byte(`{"clientToken":"t1"}`))
	e, err := wire.DecodeShadowError(cl.expect(p.Rejected("get")))
	if err != nil || e.Code != 404 || e.ClientToken != "t1" || e.Message != "No shadow exists with name: 'ledger'" {
		t.Fatalf("%+v %v", e, err)
	}

	v, err := c.broker.UpdateShadow(t.Context(), me, "ledger", []byte(`{"desired":{"ack":{"a1":{"upto":4,"missing":[]}}}}`))
	if err != nil || v != 1 {
		t.Fatalf("version %d, %v", v, err)
	}
	cl.expect(p.Accepted("update"))
	d, err := wire.DecodeShadowDelta(cl.expect(p.Delta()))
	if err != nil || d.Version != 1 {
		t.Fatalf("%+v %v", d, err)
	}
	l, err := wire.DecodeLedger(d.State)
	if err != nil || l.Ack["a1"].Upto != 4 {
		t.Fatalf("%+v %v", l, err)
	}

	cl.pub(p.Request("update"), []byte(`{"state":{"reported":{"a1":{"last":9,"acked":4,"backlog":5,"quarantined":0,"alarm":""}}},"clientToken":"t2"}`))
	acc, err := wire.DecodeShadowDocument(cl.expect(p.Accepted("update")))
	if err != nil || acc.ClientToken != "t2" || acc.Version != 2 || acc.State.Desired != nil {
		t.Fatalf("accepted holds more than the request: %+v %v", acc, err)
	}
	cl.expect(p.Delta()) // the difference remains
	b, err := c.broker.ReportedShadow(t.Context(), me, "ledger")
	if err != nil {
		t.Fatal(err)
	}
	if r, err := wire.DecodeLedgerReport(b); err != nil || r["a1"].Backlog != 5 {
		t.Fatalf("%s %v", b, err)
	}

	cl.pub(p.Request("get"), []byte{})
	doc, err := wire.DecodeShadowDocument(cl.expect(p.Accepted("get")))
	if err != nil || doc.Version != 2 || doc.State.Delta == nil || doc.State.Desired == nil || doc.State.Reported == nil {
		t.Fatalf("%+v %v", doc, err)
	}

	cl.pub(p.Request("update"), []byte(`{"state":{"reported":{"x":1}},"version":1,"clientToken":"t3"}`))
	if e, err := wire.DecodeShadowError(cl.expect(p.Rejected("update"))); err != nil || e.Code != 409 || e.ClientToken != "t3" {
		t.Fatalf("%+v %v", e, err)
	}
}

// TestClassicAndDelete goes around the policy: the device policy grants neither.
func TestClassicAndDelete(t *testing.T) {
	c := newOpenCloud(t, awsiottest.Stack(t))
	cl := c.dial("anybody", c.claim())
	p := wire.Shadow("some-thing", "")
	cl.sub(p.Accepted("update"), p.Documents(), p.Accepted("delete"), p.Rejected("get"))
	cl.pub(p.Request("update"), []byte(`{"state":{"desired":{"a":1}}}`))
	cl.expect(p.Accepted("update"))
	var docs struct {
		Previous, Current struct {
			Version int64
			State   map[string]any
		}
	}
	if err := json.Unmarshal(cl.expect(p.Documents()), &docs); err != nil || docs.Previous.Version != 0 || docs.Current.Version != 1 || docs.Current.State["desired"] == nil {
		t.Fatalf("%+v %v", docs, err)
	}
	cl.pub(p.Request("delete"), []byte{})
	cl.expect(p.Accepted("delete"))
	cl.pub(p.Request("get"), []byte{})
	if e, err := wire.DecodeShadowError(cl.expect(p.Rejected("get"))); err != nil || e.Message != "No shadow exists with name: 'some-thing'" {
		t.Fatalf("%+v %v", e, err)
	}
	cl.pub(p.Request("update"), []byte(`{"state":{"desired":{"a":1}}}`))
	d, err := wire.DecodeShadowDocument(cl.expect(p.Accepted("update")))
	if err != nil || d.Version != 2 {
		t.Fatalf("a shadow made again starts at version %d (%v), want it to go on", d.Version, err)
	}
	cl.expect(p.Documents())
	// A plain message reaches subscribers; "x/#" does not match "x" here.
	cl.sub("room/#", "hall")
	cl.pub("room", []byte("no"))
	cl.pub("room/a", []byte("yes"))
	if m := cl.next(); m.Topic() != "room/a" {
		t.Fatalf("got %s", m.Topic())
	}
	// Retained messages come for exact filters only.
	tok := cl.Publish("hall/a", 1, true, "kept")
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	cl.sub("hall/+")
	cl.sub("hall/a")
	if m := cl.next(); string(m.Payload()) != "kept" {
		t.Fatalf("got %s", m.Payload())
	}
	cl.pub("hall", []byte("end"))
	if m := cl.next(); m.Topic() != "hall" {
		t.Fatalf("a wildcard filter got a retained message: %s", m.Topic())
	}
}

// TestShadowRequestsAreHeard: a request is a message, too, for whoever may have it. A will on such a topic is nothing else.
func TestShadowRequestsAreHeard(t *testing.T) {
	c := newOpenCloud(t, awsiottest.Stack(t))
	p := wire.Shadow("some-thing", "config")
	watch := c.dial("watch", c.claim())
	watch.sub(p.Request("update"), p.Request("get"), "$aws/things/some-thing/jobs/get")
	cl := c.dial("anybody", c.claim())
	const update = `{"state":{"desired":{"a":1}}}`
	cl.pub(p.Request("update"), []byte(update))
	if got := watch.expect(p.Request("update")); string(got) != update {
		t.Fatalf("%s", got)
	}
	cl.pub("$aws/things/some-thing/jobs/get", []byte("{}")) // heard by jobs alone
	cl.pub(p.Request("get"), []byte{})
	watch.expect(p.Request("get"))
}

// TestDeployedTemplate is what the file promises.
func TestDeployedTemplate(t *testing.T) {
	s, err := stack.Load(deploy.DeviceTemplate, deploy.DeviceTemplateName, stack.Location{Region: "eu-west-1", Account: "000011112222", Parameters: map[string]string{
		"PreProvisioningHookArn": "arn:aws:lambda:eu-west-1:000011112222:function:claim",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if name, err := s.TemplateName(); err != nil || name != template || s.ClaimPolicy != "fountain-claim" {
		t.Fatalf("%q %q %v", name, s.ClaimPolicy, err)
	}
	if _, err := stack.Load(deploy.DeviceTemplate, "x", stack.Location{}); err == nil {
		t.Fatal("loaded without a pre-provisioning hook")
	}
}
