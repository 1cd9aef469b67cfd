package awsiot_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"fountain/cloud/awsiot"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/awsiot/jobs"
	"fountain/cloud/awsiot/objects"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

// jobFor is a job for one thing of the deployed stack.
func (c *cloud) jobFor(thing, id, document string) {
	c.t.Helper()
	if err := c.tryJob(thing, id, document); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) tryJob(thing, id, document string) error {
	role := &jobs.PresignedURL{RoleARN: "arn:aws:iam::123456789012:role/jobs"}
	_, err := c.broker.Jobs().CreateJob(c.t.Context(), jobs.CreateJobRequest{
		JobID: id, Targets: []string{"arn:aws:iot:us-east-1:123456789012:thing/" + thing}, Document: document, Settings: jobs.Settings{Presigned: role},
	})
	return err
}

// TestUnitDoesAJob: with the policy that is deployed, over the real broker, through a presigned URL.
func TestUnitDoesAJob(t *testing.T) {
	var store *objects.Store
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { store.ServeHTTP(w, r) }))
	defer srv.Close()
	store, err := objects.New(objects.Config{Dir: t.TempDir(), Region: "us-east-1", Secret: []byte("s"), BaseURL: func() string { return srv.URL }})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Write(t.Context(), "firmware", "v1/image.bin", strings.NewReader("0123456789")); err != nil {
		t.Fatal(err)
	}
	c := newCloud(t, func(cfg *awsiot.Config) { cfg.Objects = store })
	me, cert := c.provision("F0041")
	cl := c.dial(me, cert)
	b := wire.Jobs(me)
	cl.sub(b.NotifyNext())
	for name, place := range map[string]string{
		"a bucket S3 does not allow": "https://s3.us-east-1.amazonaws.com/Firm_ware/v1", "a key no object has": "https://s3.us-east-1.amazonaws.com/firmware/a/../b",
	} {
		err := c.tryJob(me, "bad", `{"url":"${aws:iot:s3-presigned-url:`+place+`}"}`)
		var e *jobs.Error
		if !errors.As(err, &e) || e.Code != "InvalidRequestException" || e.Status != http.StatusBadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.jobFor(me, "update-1", `{"op":"update","url":"${aws:iot:s3-presigned-url:https://s3.us-east-1.amazonaws.com/firmware/v1/image.bin}"}`)
	next, err := wire.DecodeJobAnswer(cl.expect(b.NotifyNext()))
	if err != nil || next.Execution == nil || next.Execution.JobID != "update-1" || next.Execution.Status != wire.JobQueued {
		t.Fatalf("%+v %v", next, err)
	}
	cl.pub(b.StartNext(), wire.StartNextJob{ClientToken: "t1"})
	got, err := wire.DecodeJobAnswer(cl.expect(wire.Accepted(b.StartNext()))) // not subscribed to
	if err != nil || got.ClientToken != "t1" || got.Execution.Status != wire.JobInProgress || got.Execution.VersionNumber != 2 {
		t.Fatalf("%+v %v", got, err)
	}
	var doc struct{ URL string }
	if err := json.Unmarshal(got.Execution.Document, &doc); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, doc.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=4-")
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusPartialContent || string(body) != "456789" || err != nil {
		t.Fatalf("%s %q %v", resp.Status, body, err)
	}
	version := got.Execution.VersionNumber
	cl.pub(b.Update("update-1"), wire.UpdateJob{Status: wire.JobSucceeded, ExpectedVersion: &version, ClientToken: "t2"})
	if u, err := wire.DecodeUpdatedJob(cl.expect(wire.Accepted(b.Update("update-1")))); err != nil || u.ClientToken != "t2" {
		t.Fatalf("%+v %v", u, err)
	}
	if next, err := wire.DecodeJobAnswer(cl.expect(b.NotifyNext())); err != nil || next.Execution != nil {
		t.Fatalf("%+v %v", next, err)
	}
	cl.pub(b.Update("update-1"), wire.UpdateJob{Status: wire.JobFailed})
	if e, err := wire.DecodeJobError(cl.expect(wire.Rejected(b.Update("update-1")))); err != nil || e.Code != wire.JobInvalidTransition || e.State.Status != wire.JobSucceeded {
		t.Fatalf("%+v %v", e, err)
	}
	d, err := c.broker.Jobs().DescribeJob(t.Context(), "update-1")
	if err != nil || d.Job.Status != jobs.Completed {
		t.Fatalf("%+v %v", d, err)
	}
	if d := c.denials(); d != "" {
		t.Error(d)
	}
}

// TestJobAnswersAreForTheAsker: whoever else listens to the topics of a thing's jobs sees the notifications only.
func TestJobAnswersAreForTheAsker(t *testing.T) {
	c := newOpenCloud(t, awsiottest.Stack(t))
	if err := c.db.CreateThing(t.Context(), store.Thing{Name: "u1", Created: time.Now().UnixMilli()}); err != nil {
		t.Fatal(err)
	}
	b := wire.Jobs("u1")
	asker, other := c.dial("asker", c.claim()), c.dial("other", c.claim())
	other.sub(string(b) + "/#")
	asker.sub(wire.Accepted(b.GetPending()))
	for i := range 2 {
		c.jobFor("u1", fmt.Sprintf("j%d", i), `{"op":"x"}`)
	}
	other.expect(b.Notify())
	other.expect(b.NotifyNext())
	other.expect(b.Notify())

	asker.pub(b.GetPending(), []byte(`{"clientToken":"t"}`)) // subscribed to
	var pending wire.PendingJobs
	if err := json.Unmarshal(asker.expect(wire.Accepted(b.GetPending())), &pending); err != nil || len(pending.Queued) != 2 || pending.ClientToken != "t" {
		t.Fatalf("%+v %v", pending, err)
	}
	asker.pub(b.StartNext(), []byte{})
	asker.expect(wire.Accepted(b.StartNext()))
	asker.pub(b.Describe("j9"), []byte{})
	asker.expect(wire.Rejected(b.Describe("j9")))
	asker.pub(string(b)+"/j1/pause", []byte{})
	if e, err := wire.DecodeJobError(asker.expect(wire.Rejected(string(b) + "/j1/pause"))); err != nil || e.Code != wire.JobInvalidTopic {
		t.Fatalf("%+v %v", e, err)
	}
	asker.pub(b.Update("j1"), wire.UpdateJob{Status: wire.JobRejected})
	asker.expect(wire.Accepted(b.Update("j1")))
	other.expect(b.Notify()) // next is what followed it; nothing of the answers came between
	asker.pub(b.Update("j0"), wire.UpdateJob{Status: wire.JobSucceeded})
	asker.expect(wire.Accepted(b.Update("j0")))
	other.expect(b.Notify())
	other.expect(b.NotifyNext())
}

// TestJobsGoOnAfterARestart of the cloud: a thing that is to be told later is told by the next process.
func TestJobsGoOnAfterARestart(t *testing.T) {
	c := newCloud(t)
	me, cert := c.provision("F0042")
	if _, err := c.broker.Jobs().CreateJob(t.Context(), jobs.CreateJobRequest{
		JobID: "j", Targets: []string{"arn:aws:iot:us-east-1:123456789012:thing/" + me}, Document: `{"op":"x"}`,
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.broker.Close(); err != nil {
		t.Fatal(err)
	}
	c.broker = c.local.Start()
	cl := c.dial(me, cert)
	cl.pub(wire.Jobs(me).StartNext(), []byte{})
	if got, err := wire.DecodeJobAnswer(cl.expect(wire.Accepted(wire.Jobs(me).StartNext()))); err != nil || got.Execution == nil || got.Execution.JobID != "j" {
		t.Fatalf("%+v %v", got, err)
	}
}
