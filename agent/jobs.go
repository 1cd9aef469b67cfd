package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"fountain/agent/api"
	"fountain/internal/build"
	"fountain/internal/problem"
	"fountain/sync/jobs"
	"fountain/sync/wire"
)

// settingJobs keeps what sync/jobs knows of the job under way.
const settingJobs = "jobs"

// newJobs lists what the cloud may have done here. Nothing of it opens an output (DESIGN 3): the self-test is the dry one,
// whatever the document says.
//
//	job ──► jobs.Jobs ──Check, Run──► selfTest · upload · restart · logFor · replay · rotate · decommission
//	                                     └── calm: not during a pour, nor while somebody works at the unit
func newJobs(a *Agent) *jobs.Jobs {
	return jobs.New(jobs.Config{
		Thing: func() string { return *a.thing.Load() }, Journal: jobJournal{a}, Log: a.log,
		Operations: map[string]jobs.Runner{
			wire.OpSelfTest: selfTest{a}, wire.OpDiag: upload{a}, wire.OpRestart: restart{a}, wire.OpLogLevel: logFor{a}, wire.OpReplay: replay{a},
			wire.OpRotate: rotate{a}, wire.OpDecommission: decommission{a},
		},
	})
}

// jobJournal keeps the state of jobs in the store's settings.
type jobJournal struct{ a *Agent }

var _ jobs.Journal = jobJournal{}

// Load implements jobs.Journal.
func (j jobJournal) Load() ([]byte, error) {
	b, _, err := j.a.store.Setting(settingJobs)
	return b, err
}

// Save implements jobs.Journal.
func (j jobJournal) Save(b []byte) error { return j.a.store.PutSetting(settingJobs, b) }

// byCloud is who did it, for the audit trail.
func byCloud(t *jobs.Task) string { return "cloud, job " + t.ID }

// calmEvery is how often somebody at the screen is asked after.
const calmEvery = time.Second

// calm returns when nothing is poured and nobody works at the unit: what comes from far away must not surprise who stands
// in front of it.
func (a *Agent) calm(ctx context.Context) error {
	for {
		if err := a.yield.Idle(ctx); err != nil {
			return err
		}
		if !a.attended() {
			return nil
		}
		t := time.NewTimer(calmEvery)
		select {
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("somebody is at work at the unit: %w", context.Cause(ctx))
		case <-t.C:
		}
	}
}

// attended tells whether somebody works at the unit.
func (a *Agent) attended() bool { return a.sessions.keeps() != nil || a.machine.State().Service != "" }

// selfTest is the dry self-test: nothing moves and nothing may.
type selfTest struct{ a *Agent }

var _ jobs.Runner = selfTest{}

// Check implements jobs.Runner.
func (selfTest) Check(document json.RawMessage) error {
	_, err := wire.DecodeJob[wire.JobDocument](document)
	return err
}

// Limit implements jobs.Runner: a shift may be at work.
func (selfTest) Limit() time.Duration { return time.Hour }

// Run implements jobs.Runner.
func (s selfTest) Run(ctx context.Context, t *jobs.Task) (map[string]string, error) {
	a := s.a
	req := api.StartOp{Kind: api.OpSelfTest, Person: byCloud(t), Params: map[string]string{"dry": "true"}}
	var op api.Op
	for {
		if err := a.calm(ctx); err != nil {
			return nil, err
		}
		var err error
		if op, err = a.ops.Start(ctx, req); err == nil {
			break
		}
		if p := problem.From(err); !p.Retry { // else somebody was quicker
			return nil, err
		}
		if err := sleep(ctx, calmEvery); err != nil {
			return nil, err
		}
	}
	for op.Outcome == "" {
		if err := sleep(ctx, api.BeatEvery); err != nil {
			_ = a.ops.Stop(op.ID, "stopped") // it would end for want of a lease
			return nil, err
		}
		_ = a.ops.Beat(op.ID) // one that has ended needs none
		var err error
		if op, err = a.ops.Op(op.ID); err != nil {
			return nil, err
		}
	}
	details := map[string]string{"outcome": op.Outcome}
	bad := 0
	for _, e := range op.Evidence {
		if !e.OK {
			if bad++; bad <= 6 {
				details["found_"+strconv.Itoa(bad)] = fmt.Sprintf("%s: %g %s", e.What, e.Is, e.Unit)
			}
		}
	}
	details["checks"] = fmt.Sprintf("%d, %d bad", len(op.Evidence), bad)
	if op.Outcome == api.OpStopped {
		return details, fmt.Errorf("the self-test was stopped: %s", op.Reason)
	}
	return details, nil // a test that found something has done its work
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// restart ends the agent, whose supervisor starts it anew; the job is reported by the next process.
type restart struct{ a *Agent }

var _ jobs.Runner = restart{}

// stepRestarting is noted before the process ends.
const stepRestarting = "restarting"

// restartGap is how long a unit runs that a job has restarted before another one does: however many there are, it pours.
const restartGap = 10 * time.Minute

// Check implements jobs.Runner.
func (restart) Check(document json.RawMessage) error {
	_, err := wire.DecodeJob[wire.JobDocument](document)
	return err
}

// Limit implements jobs.Runner.
func (restart) Limit() time.Duration { return time.Hour }

// Run implements jobs.Runner.
func (r restart) Run(ctx context.Context, t *jobs.Task) (map[string]string, error) {
	a := r.a
	if t.Step == stepRestarting {
		return map[string]string{"sw": build.Version, "boot": a.boot, "started": a.started.UTC().Format(time.RFC3339)}, nil
	}
	if a.restarted == wire.RestartJob {
		if err := sleep(ctx, restartGap-time.Since(a.started)); err != nil {
			return nil, err
		}
	}
	let, err := a.settle(ctx)
	if err != nil {
		return nil, err
	}
	if err := t.Note(stepRestarting); err != nil {
		let()
		return nil, err
	}
	a.audit.note(byCloud(t), "restart", "", "done")
	close(a.leave)
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// settle returns when nothing is poured and nobody works at the unit, and keeps it so until let is called.
func (a *Agent) settle(ctx context.Context) (let func(), err error) {
	for {
		if err := a.calm(ctx); err != nil {
			return nil, err
		}
		if let, err = a.holdBack(ctx); errors.Is(err, errEnding) { // a person's attempt, which is soon over
			if err := sleep(ctx, calmEvery); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		err := a.yield.Idle(ctx) // what was quicker is finished
		if err == nil && !a.attended() {
			return let, nil
		}
		let()
		if err != nil {
			return nil, err
		}
	}
}

// holdBack lets no pour or operation begin until let is called. What has begun goes on.
func (a *Agent) holdBack(ctx context.Context) (let func(), err error) {
	if !a.leaving.CompareAndSwap(false, true) {
		return nil, errEnding
	}
	let = func() { a.leaving.Store(false) }
	if err := a.begun(ctx); err != nil {
		let()
		return nil, err
	}
	return let, nil
}

// errEnding is told to who may not begin something.
var errEnding = &problem.Problem{
	Code: problem.CodeUnavailable, Where: "unit", What: "the agent is starting anew or the unit is leaving service", Remedy: "try again in a moment", Retry: true,
}

// begun returns when nothing is about to begin that has not seen leaving.
func (a *Agent) begun(ctx context.Context) error {
	for a.begins.Load() > 0 {
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// left ends the agent when it was asked to.
func (a *Agent) left(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-a.leave:
		return &problem.Problem{
			Code: problem.CodeUnavailable, Where: "job " + wire.OpRestart, What: "the cloud asked for a restart", Remedy: "the supervisor starts the agent again", Retry: true,
		}
	}
}

// logFor changes how much is logged, for a time.
type logFor struct{ a *Agent }

var _ jobs.Runner = logFor{}

// Check implements jobs.Runner.
func (logFor) Check(document json.RawMessage) error {
	d, err := wire.DecodeJob[wire.LogLevelJob](document)
	if err != nil {
		return err
	}
	if _, ok := levels[d.Level]; !ok {
		return fmt.Errorf("%w: level %q: debug, info, warn and error are known", wire.ErrJobDocument, d.Level)
	}
	if d.Minutes < 1 || d.Minutes > wire.MaxLogMinutes {
		return fmt.Errorf("%w: minutes is %d: 1 to %d are allowed", wire.ErrJobDocument, d.Minutes, wire.MaxLogMinutes)
	}
	return nil
}

// Limit implements jobs.Runner.
func (logFor) Limit() time.Duration { return time.Minute }

// Run implements jobs.Runner.
func (l logFor) Run(_ context.Context, t *jobs.Task) (map[string]string, error) {
	d, err := wire.DecodeJob[wire.LogLevelJob](t.Document)
	if err != nil {
		return nil, err
	}
	lasts := time.Duration(d.Minutes) * time.Minute
	l.a.loglevel.ask(levels[d.Level], lasts)
	l.a.audit.note(byCloud(t), "log level "+d.Level, "", "for "+lasts.String())
	l.a.log.Info("log level by a job", slog.String("level", d.Level), slog.Duration("lasts", lasts))
	return map[string]string{"level": d.Level, "until": time.Now().Add(lasts).UTC().Format(time.RFC3339)}, nil
}
