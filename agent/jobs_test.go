package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/machine"
	"fountain/agent/record"
	"fountain/cloud/awsiot/jobs"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// job makes a job for a unit.
func (c *localCloud) job(thing, id, document string) {
	c.t.Helper()
	_, err := c.core.Jobs().CreateJob(c.t.Context(), jobs.CreateJobRequest{
		JobID: id, Targets: []string{"arn:aws:iot:us-east-1:123456789012:thing/" + thing}, Document: document,
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// status is what became of a job.
func (c *localCloud) status(thing, id string) (string, map[string]string) {
	c.t.Helper()
	r, err := c.core.Jobs().DescribeJobExecution(c.t.Context(), thing, id, 0)
	if err != nil {
		var missing *jobs.Error
		if errors.As(err, &missing) { // not rolled out yet
			return "", nil
		}
		c.t.Fatal(err)
	}
	return r.Execution.Status, r.Execution.StatusDetails.Map
}

// jobEnds waits for the end of a job.
func (v *virtual) jobEnds(c *localCloud, id string, limit time.Duration) (status string, details map[string]string) {
	v.t.Helper()
	v.await(id+" ends", limit, func() bool {
		status, details = c.status(v.thing(), id)
		return status != "" && wire.JobTerminal(status)
	})
	return status, details
}

// TestJobSelfTestIsDry: whatever the document says, the test that the cloud asks for opens nothing. It waits for a pour and
// for whoever is logged in.
func TestJobSelfTestIsDry(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		if err := v.a.pin.Set("48151623"); err != nil {
			t.Fatal(err)
		}
		s, err := v.a.sessions.Open(api.OpenSession{PIN: "48151623", Person: "ada"})
		if err != nil {
			t.Fatal(err)
		}
		c.job(v.thing(), "st-1", `{"v":1,"operation":"selftest"}`)
		c.job(v.thing(), "st-wet", `{"v":1,"operation":"selftest","dry":false}`)
		time.Sleep(30 * time.Second)
		if got, _ := c.status(v.thing(), "st-1"); got != wire.JobInProgress || v.a.machine.State().Service != "" {
			t.Errorf("while somebody is logged in it is %s, %s", got, v.a.machine.State().Service)
		}
		p := v.starts(api.StartPour{Beverage: v.some("water.still", "", ""), TargetUL: 500_000, Mode: api.ModePortion, Source: "service"})
		v.a.sessions.Close(s.ID)
		v.await("the pour ends", time.Minute, func() bool {
			now, _ := v.a.view.Pour(p.ID)
			if now.Phase != api.PhaseDone && v.a.machine.State().Service != "" {
				t.Error("a self-test began during a pour")
			}
			return now.Phase == api.PhaseDone
		})
		watched := 0
		v.await("it runs", 10*time.Second, func() bool { return v.a.machine.State().Service != "" })
		for v.a.machine.State().Service != "" {
			if open := v.open(); len(open) > 0 {
				t.Fatalf("open: %v", open)
			}
			watched++
			time.Sleep(10 * time.Millisecond)
		}
		status, details := v.jobEnds(c, "st-1", time.Minute)
		if status != wire.JobSucceeded || details["outcome"] == "" || !strings.Contains(details["checks"], "bad") || watched < 100 {
			t.Errorf("%s %v, watched %d times", status, details, watched)
		}
		if status, details = v.jobEnds(c, "st-wet", time.Minute); status != wire.JobRejected || !strings.Contains(details["reason"], "dry") {
			t.Errorf("a document that asks for more: %s %v", status, details)
		}
		trail, err := v.a.audit.List()
		if err != nil || len(trail) == 0 || !strings.HasPrefix(trail[0].Person, "cloud, job st-1") {
			t.Errorf("%+v %v", trail, err)
		}
		v.await("the unit pours again", 5*time.Second, func() bool { return v.a.view.Snapshot().Unit == api.UnitReady })
	})
}

// TestJobRestart: the agent ends after the pour and reports from the next process.
func TestJobRestart(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		p := v.starts(api.StartPour{Beverage: v.some("water.still", "", ""), TargetUL: 300_000, Mode: api.ModePortion, Source: "touch"})
		c.job(v.thing(), "re-1", `{"v":1,"operation":"restart"}`)
		end := make(chan error, 1)
		ctx, cancel := context.WithCancel(v.t.Context())
		defer cancel()
		go func() { end <- v.a.left(ctx) }()
		err := <-end
		now, _ := v.a.view.Pour(p.ID)
		if now.Phase != api.PhaseDone || now.Outcome != string(wire.Completed) {
			t.Errorf("the pour was %s %s", now.Phase, now.Outcome)
		}
		if pr := problem.From(err); !pr.Retry || !strings.Contains(pr.What, "restart") {
			t.Errorf("it ends with %v", err)
		}
		if _, err := (commands{v.a}).Start(v.t.Context(), api.StartPour{Beverage: p.Beverage, TargetUL: 100_000, Mode: api.ModePortion, Source: "touch"}); err == nil {
			t.Error("a pour began on an agent that ends")
		}
		if status, _ := c.status(v.thing(), "re-1"); status != wire.JobInProgress {
			t.Errorf("before the restart it is %s", status)
		}
		v.a.ends(err)
		v.stop()
		v = c.start()
		status, details := v.jobEnds(c, "re-1", time.Minute)
		if status != wire.JobSucceeded || details["started"] == "" || details["boot"] == "" {
			t.Errorf("%s %v", status, details)
		}
		var rep wire.UnitReport
		v.await("it tells why it started", time.Minute, func() bool {
			c.reported(v.thing(), wire.UnitShadow, &rep)
			return rep.Health.Restart == wire.RestartJob
		})
		if _, err := (commands{v.a}).Start(v.t.Context(), api.StartPour{Beverage: p.Beverage, TargetUL: 100_000, Mode: api.ModePortion, Source: "service"}); err != nil {
			t.Errorf("the new one does not pour: %v", err)
		}
		c.job(v.thing(), "re-again", `{"v":1,"operation":"restart"}`)
		select {
		case <-v.a.leave:
			t.Error("one restart follows the other")
		case <-time.After(restartGap - time.Minute):
		}
		select {
		case <-v.a.leave:
		case <-time.After(2 * time.Minute):
			t.Error("it never restarts again")
		}
	})
}

// TestJobRestartWaitsForWhatBegins: a pour that is about to begin when the restart comes is not cut, and no operation
// begins any more.
func TestJobRestartWaitsForWhatBegins(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		var began atomic.Bool
		v.a.begins.Add(1) // as Start does, past its look at leaving
		time.AfterFunc(time.Minute, func() {
			_, err := v.a.machine.Start(v.t.Context(), machine.StartRequest{Beverage: v.some("water.still", "", ""), TargetUL: 100_000, Source: wire.SourceService})
			if err != nil {
				t.Error(err)
			}
			began.Store(true)
			v.a.begins.Add(-1)
		})
		c.job(v.thing(), "re-2", `{"v":1,"operation":"restart"}`)
		<-v.a.leave
		if !began.Load() || v.a.machine.Busy() {
			t.Errorf("the agent ends before the pour does, begun %v", began.Load())
		}
		_, err := v.a.ops.Start(v.t.Context(), api.StartOp{Kind: api.OpSelfTest, Person: "ada", Params: map[string]string{"dry": "true"}})
		if !refusedAs(err, problem.CodeUnavailable) {
			t.Errorf("an operation begins on an agent that ends: %v", err)
		}
	})
}

func TestJobLogLevel(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		was := v.a.loglevel.v.Level()
		c.job(v.thing(), "log-1", `{"v":1,"operation":"log_level","level":"debug","minutes":2}`)
		if status, details := v.jobEnds(c, "log-1", time.Minute); status != wire.JobSucceeded || details["level"] != "debug" {
			t.Errorf("%s %v", status, details)
		}
		if v.a.loglevel.v.Level() != slog.LevelDebug {
			t.Error("the level is as it was")
		}
		time.Sleep(121 * time.Second)
		if v.a.loglevel.v.Level() != was {
			t.Error("it did not go back")
		}
		for i, bad := range []string{
			`{"v":1,"operation":"log_level","level":"loud","minutes":30}`, `{"v":1,"operation":"log_level","level":"debug"}`,
			`{"v":1,"operation":"log_level","level":"debug","minutes":1000000}`, `{"v":1,"operation":"open_valve","valve":"water.still"}`, `{"v":7,"operation":"restart"}`,
		} {
			id := "bad-" + strconv.Itoa(i)
			c.job(v.thing(), id, bad)
			if status, details := v.jobEnds(c, id, time.Minute); status != wire.JobRejected || details["reason"] == "" {
				t.Errorf("%s: %s %v", bad, status, details)
			}
		}
	})
}

// TestJobReplay: what was settled is sent again, as it was, in batches, also over a cut; nothing else moves.
func TestJobReplay(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		const n = 300
		for range n {
			_, err := v.a.store.Append(v.t.Context(), "", func(log string, seq uint64) ([]byte, error) {
				_, b, err := record.Build(v.a.unit(), record.Pour{ID: record.NewID(time.Now()), Started: time.Now(), Clock: record.ClockTrusted, Beverage: "b", Outcome: wire.Completed, Source: wire.SourceTouch}, log, seq)
				return b, err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		log := v.a.store.Log()
		v.a.cloud.appended(log)
		v.await("they are up", 5*time.Minute, func() bool { return c.seqs(log) == n })
		c.desire(v.thing(), wire.LedgerShadow, fmt.Sprintf(`{"ack":{%q:{"upto":%d,"missing":[],"seen":%d}}}`, log, n, n))
		v.await("they are settled", 5*time.Minute, func() bool { return v.a.store.Stats().Pending == 0 })
		c.forget()
		c.job(v.thing(), "rp-1", fmt.Sprintf(`{"v":1,"operation":"replay","log":%q,"from":51}`, log))
		v.await("it is under way", time.Minute, func() bool { return c.seqs(log) > 20 })
		c.down(true)
		time.Sleep(time.Second)
		c.down(false)
		status, details := v.jobEnds(c, "rp-1", 10*time.Minute)
		if status != wire.JobSucceeded || details["records"] != strconv.Itoa(n-50) {
			t.Errorf("%s %v", status, details)
		}
		if got := c.seqs(log); got != n-50 {
			t.Errorf("%d different records came again", got)
		}
		if v.a.store.Stats().Pending != 0 {
			t.Error("a mark has moved")
		}
		c.job(v.thing(), "rp-2", `{"v":1,"operation":"replay","log":"Lother"}`)
		if status, details = v.jobEnds(c, "rp-2", time.Minute); status != wire.JobRejected {
			t.Errorf("a log that is not here: %s %v", status, details)
		}
	})
}

// TestJobDiag: the diagnostics arrive where the placeholder of the document points. A line that breaks is tried again
// from the start, an address that has died meanwhile is asked for anew, and one that can never work is told at once.
func TestJobDiag(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		minute := int64(60)
		ask := func(id, document string) {
			t.Helper()
			_, err := c.core.Jobs().CreateJob(v.t.Context(), jobs.CreateJobRequest{
				JobID: id, Targets: []string{"arn:aws:iot:us-east-1:123456789012:thing/" + v.thing()}, Document: document,
				Settings: jobs.Settings{Presigned: &jobs.PresignedURL{RoleARN: "arn:aws:iam::123456789012:role/upload", ExpiresInSec: &minute}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		puts := 0
		c.mu.Lock()
		c.spoil = func(w http.ResponseWriter, r *http.Request) bool {
			if puts++; r.Method != http.MethodPut || r.ContentLength <= 0 {
				t.Errorf("%s of %d bytes", r.Method, r.ContentLength)
			}
			switch puts {
			case 1:
				panic(http.ErrAbortHandler) // the line breaks
			case 2:
				http.Error(w, "SlowDown", http.StatusServiceUnavailable)
				return true
			case 3:
				time.Sleep(70 * time.Second) // longer than the address lives
			}
			return false
		}
		c.mu.Unlock()
		ask("dg-1", `{"v":1,"operation":"diag","url":"${aws:iot:s3-presigned-url-upload:https://s3.us-east-1.amazonaws.com/diagnostics/${thingName}/${jobId}.tar.gz}"}`)
		status, details := v.jobEnds(c, "dg-1", 30*time.Minute)
		if status != wire.JobSucceeded || details["tries"] != "4" || puts != 4 {
			t.Fatalf("%s %v after %d PUTs", status, details, puts)
		}
		body, err := os.ReadFile(filepath.Join(c.dir, "objects", "diagnostics", v.thing(), "dg-1.tar.gz"))
		if err != nil || strconv.Itoa(len(body)) != details["bytes"] {
			t.Fatalf("%d bytes arrived, %v, %v", len(body), details, err)
		}
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		first, err := tar.NewReader(z).Next()
		if err != nil || !strings.HasPrefix(first.Name, "fountain-diag-"+v.a.serial) {
			t.Errorf("%+v %v", first, err)
		}

		c.mu.Lock()
		c.spoil = func(w http.ResponseWriter, _ *http.Request) bool {
			http.Error(w, "NoSuchBucket", http.StatusNotFound)
			return true
		}
		c.mu.Unlock()
		ask("dg-2", `{"v":1,"operation":"diag","url":"${aws:iot:s3-presigned-url-upload:https://s3.us-east-1.amazonaws.com/diagnostics/x}"}`)
		if status, details = v.jobEnds(c, "dg-2", 5*time.Minute); status != wire.JobFailed || !strings.Contains(details["reason"], "NoSuchBucket") || strings.Contains(details["reason"], "X-Amz") {
			t.Errorf("%s %v", status, details)
		}
		for i, bad := range []string{"http://example.com/a", "https://user:word@example.com/a", "file:///etc/passwd", ""} {
			id := "dg-bad-" + strconv.Itoa(i)
			c.job(v.thing(), id, fmt.Sprintf(`{"v":1,"operation":"diag","url":%q}`, bad))
			if status, details = v.jobEnds(c, id, time.Minute); status != wire.JobRejected || !strings.Contains(details["reason"], "https") {
				t.Errorf("%q: %s %v", bad, status, details)
			}
		}
	})
}
