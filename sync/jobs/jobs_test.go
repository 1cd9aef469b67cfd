package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/sync/wire"
)

func TestJobsAreDoneInOrderAndReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		var ran []string
		ops := map[string]Runner{
			"good": &runner{run: func(_ context.Context, k *Task) (map[string]string, error) {
				ran = append(ran, k.ID)
				time.Sleep(time.Second)
				long := map[string]string{"found": strings.Repeat("é", 300), "": "x", "none": "", "a key.": "two\nlines"}
				for i := range 20 {
					long[fmt.Sprintf("k%02d", i)] = "v"
				}
				return long, nil
			}},
			"fails": &runner{run: func(context.Context, *Task) (map[string]string, error) {
				return map[string]string{"a": "b"}, errors.New("no water")
			}},
			"never": &runner{run: func(context.Context, *Task) (map[string]string, error) {
				return nil, fmt.Errorf("no pump: %w", ErrNever)
			}},
			"broken": &runner{run: func(context.Context, *Task) (map[string]string, error) { panic("index out of range") }},
			"picky":  &runner{check: errors.New("minutes is 0")},
			"endles": &runner{run: func(ctx context.Context, _ *Task) (map[string]string, error) { <-ctx.Done(); return nil, ctx.Err() }},
		}
		u := start(t, &memory{}, ops)
		defer u.stop()
		first := s.add("j1", doc("good")) // before the unit is there
		lose := u.serve(t, s.connect())
		defer lose()
		want := map[*wire.JobExecution]struct{ status, reason string }{
			first:                                  {wire.JobSucceeded, ""},
			s.add("j2", doc("fails")):              {wire.JobFailed, "no water"},
			s.add("j3", doc("never")):              {wire.JobRejected, "no pump"},
			s.add("j4", doc("picky")):              {wire.JobRejected, "minutes is 0"},
			s.add("j5", doc("unheard")):            {wire.JobRejected, `operation "unheard" is not known`},
			s.add("j6", `{"v":2,"operation":"x"}`): {wire.JobRejected, "v is 2"},
			s.add("j7", `{"version":"1.0"}`):       {wire.JobRejected, "v is 0"},
			s.add("j8", doc("endles")):             {wire.JobFailed, ErrTooLong.Error()},
			s.add("j8b", doc("broken")):            {wire.JobFailed, "panic: index out of range"},
			s.add("j9", doc("good")):               {wire.JobSucceeded, ""},
		}
		last := s.queue[len(s.queue)-1]
		await(t, "all are done", 5*time.Minute, func() bool { return wire.JobTerminal(s.status(last)) })
		synctest.Wait()
		s.mu.Lock()
		for e, w := range want {
			d := e.StatusDetails
			if e.Status != w.status || !strings.Contains(d["reason"], w.reason) {
				t.Errorf("%s: %s %v, want %v", e.JobID, e.Status, d, w)
			}
			if len(d) > wire.MaxStatusDetails {
				t.Errorf("%s: %d details", e.JobID, len(d))
			}
			for k, v := range d {
				if len([]rune(v)) > 128 || len([]rune(k)) > 128 {
					t.Errorf("%s: a detail of %d characters", e.JobID, len([]rune(v)))
				}
			}
		}
		if got := strings.Join(ran, " "); got != "j1 j9" {
			t.Errorf("ran %s", got)
		}
		for _, up := range s.updates {
			if up.Status == wire.JobInProgress && (up.StepTimeout == nil || *up.StepTimeout < 31) {
				t.Errorf("no room in the step timer: %+v", up)
			}
		}
		s.mu.Unlock()
		before := s.count(wire.JobStartNext)
		time.Sleep(24 * time.Hour)
		if n := s.count(wire.JobStartNext) - before; n > 1 {
			t.Errorf("an idle unit asks %d times a day", n)
		}
	})
}

// A job goes on while there is no connection, and its end is reported on the next one. The connection never waits for it.
func TestWorkOutlivesConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		runs := 0
		u := start(t, &memory{}, map[string]Runner{"slow": &runner{limit: time.Hour, run: func(ctx context.Context, _ *Task) (map[string]string, error) {
			runs++
			select {
			case <-time.After(10 * time.Minute):
				return nil, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}})
		defer u.stop()
		e := s.add("j1", doc("slow"))
		for range 3 {
			lose := u.serve(t, s.connect())
			time.Sleep(time.Minute)
			lose() // returns when Serve has
		}
		time.Sleep(20 * time.Minute)
		if got := s.status(e); got != wire.JobInProgress {
			t.Fatalf("offline it is %s", got)
		}
		lose := u.serve(t, s.connect())
		defer lose()
		await(t, "it is reported", time.Minute, func() bool { return s.status(e) == wire.JobSucceeded })
		if runs != 1 {
			t.Errorf("it ran %d times", runs)
		}
	})
}

// What the end of the process cut in two is taken up at the step it had noted, and given up when it kills the process
// again and again.
func TestProcessEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newService(t), &memory{}
		var steps []string
		ops := map[string]Runner{
			"restart": &runner{run: func(ctx context.Context, k *Task) (map[string]string, error) {
				steps = append(steps, k.Step)
				if k.Step == "restarting" {
					return map[string]string{"ended": "well"}, nil
				}
				if err := k.Note("restarting"); err != nil {
					return nil, err
				}
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}},
			"deadly": &runner{run: func(ctx context.Context, _ *Task) (map[string]string, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}},
		}
		process := func(d time.Duration) {
			u := start(t, m, ops)
			lose := u.serve(t, s.connect())
			time.Sleep(d)
			u.stop()
			lose()
		}
		e := s.add("j1", doc("restart"))
		process(10 * time.Second)
		if s.status(e) != wire.JobInProgress {
			t.Fatalf("cut in two it is %s", e.Status)
		}
		process(10 * time.Second)
		if s.status(e) != wire.JobSucceeded || s.details(e)["ended"] != "well" || strings.Join(steps, ",") != ",restarting" {
			t.Errorf("%s %v, steps %q", e.Status, e.StatusDetails, steps)
		}
		d := s.add("j2", doc("deadly"))
		for i := range MaxAttempts {
			process(10 * time.Second)
			if s.status(d) != wire.JobInProgress {
				t.Fatalf("after %d processes it is %s", i+1, d.Status)
			}
		}
		process(10 * time.Second)
		if s.status(d) != wire.JobFailed || !strings.Contains(s.details(d)["reason"], "ended 3 times") {
			t.Errorf("%s %v", d.Status, d.StatusDetails)
		}
	})
}

// What was done is not done again when the service asks for it again: after an answer that was lost, or a restore.
func TestDoneIsDoneOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newService(t), &memory{}
		runs := 0
		ops := map[string]Runner{"once": &runner{run: func(context.Context, *Task) (map[string]string, error) {
			runs++
			return map[string]string{"n": fmt.Sprint(runs)}, nil
		}}}
		u := start(t, m, ops)
		s.lose = 2 // the answers to the first update and to the one after
		e := s.add("j1", doc("once"))
		lose := u.serve(t, s.connect())
		await(t, "it is reported", 5*time.Minute, func() bool { return s.status(e) == wire.JobSucceeded })
		time.Sleep(5 * time.Minute)
		lose()
		u.stop()
		u = start(t, m, ops)
		defer u.stop()
		s.mu.Lock()
		e.Status, e.StatusDetails, e.VersionNumber = wire.JobInProgress, nil, 2 // the service went back to a backup
		s.mu.Unlock()
		lose = u.serve(t, s.connect())
		defer lose()
		await(t, "it is reported again", time.Minute, func() bool { return s.status(e) == wire.JobSucceeded })
		if runs != 1 || s.details(e)["n"] != "1" {
			t.Errorf("it ran %d times: %v", runs, e.StatusDetails)
		}
		again := s.add("j1-retry", doc("once"))
		await(t, "another job of the kind runs", time.Minute, func() bool { return s.status(again) == wire.JobSucceeded })
		if runs != 2 {
			t.Errorf("%d runs", runs)
		}
	})
}

func TestCancelledWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		var cause error
		u := start(t, &memory{}, map[string]Runner{"slow": &runner{limit: time.Hour, run: func(ctx context.Context, _ *Task) (map[string]string, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil, ctx.Err()
		}}, "next": &runner{run: func(context.Context, *Task) (map[string]string, error) { return nil, nil }}})
		defer u.stop()
		lose := u.serve(t, s.connect())
		defer lose()
		e := s.add("j1", doc("slow"))
		n := s.add("j2", doc("next"))
		await(t, "it runs", time.Minute, func() bool { return s.status(e) == wire.JobInProgress })
		time.Sleep(time.Second)
		s.cancel(e)
		await(t, "the next one is done", 5*time.Second, func() bool { return s.status(n) == wire.JobSucceeded })
		if !errors.Is(cause, ErrWithdrawn) || s.status(e) != wire.JobCanceled {
			t.Errorf("cause %v, %s", cause, e.Status)
		}
	})
}

// A Runner that does not hear that its job was cancelled must not hold the connection, without which no other comes.
func TestCancelledAndDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		u := start(t, &memory{}, map[string]Runner{"deaf": &runner{limit: time.Hour, run: func(context.Context, *Task) (map[string]string, error) {
			time.Sleep(time.Hour)
			return nil, nil
		}}, "next": &runner{run: func(context.Context, *Task) (map[string]string, error) { return nil, nil }}})
		defer u.stop()
		lose := u.serve(t, s.connect())
		e := s.add("j1", doc("deaf"))
		n := s.add("j2", doc("next"))
		await(t, "it runs", time.Minute, func() bool { return s.status(e) == wire.JobInProgress })
		time.Sleep(time.Second)
		s.cancel(e)
		time.Sleep(time.Minute)
		start := time.Now()
		if lose(); time.Since(start) > time.Second {
			t.Errorf("the connection was held for %v", time.Since(start))
		}
		defer u.serve(t, s.connect())()
		await(t, "the next one is done when it has ended", 2*time.Hour, func() bool { return s.status(n) == wire.JobSucceeded })
	})
}

// Somebody else updates the execution meanwhile, the service is throttled, silent, or does not like the details.
func TestUpdatesGetThrough(t *testing.T) {
	for name, spoil := range map[string]func(s *service){
		"version mismatch": func(s *service) { s.meddle = func(e *wire.JobExecution) { e.VersionNumber += 3 } },
		"throttled":        func(s *service) { s.refuse = []string{wire.JobThrottled, wire.JobInternal, wire.JobThrottled} },
		"no details":       func(s *service) { s.refuse = []string{wire.JobInvalidRequest} },
		"silent for an hour": func(s *service) {
			s.mute = true
			time.AfterFunc(time.Hour, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.mute = false
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t)
				var once sync.Once
				u := start(t, &memory{}, map[string]Runner{"op": &runner{run: func(context.Context, *Task) (map[string]string, error) {
					once.Do(func() { s.mu.Lock(); defer s.mu.Unlock(); spoil(s) })
					return map[string]string{"a": "b"}, nil
				}}})
				defer u.stop()
				lose := u.serve(t, s.connect())
				defer lose()
				e := s.add("j1", doc("op"))
				begin := time.Now()
				await(t, "it is reported", 3*time.Hour, func() bool { return s.status(e) == wire.JobSucceeded })
				if n := s.count(wire.JobUpdate) + s.count(wire.JobsGet); n > 40 {
					t.Errorf("%d requests in %s", n, time.Since(begin))
				}
			})
		})
	}
}

func TestFreshDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		var got json.RawMessage
		u := start(t, &memory{}, map[string]Runner{"op": &runner{limit: time.Hour, run: func(ctx context.Context, k *Task) (d map[string]string, err error) {
			time.Sleep(time.Minute)
			got, err = k.Fresh(ctx)
			return nil, err
		}}})
		defer u.stop()
		lose := u.serve(t, s.connect())
		e := s.add("j1", doc("op"))
		await(t, "it runs", time.Minute, func() bool { return s.status(e) == wire.JobInProgress })
		time.Sleep(time.Second)
		lose()
		s.mu.Lock()
		e.Document = json.RawMessage(`{"v":1,"operation":"op","url":"new"}`)
		s.mu.Unlock()
		time.Sleep(10 * time.Minute)
		lose = u.serve(t, s.connect())
		defer lose()
		await(t, "it is done", time.Minute, func() bool { return s.status(e) == wire.JobSucceeded })
		if string(got) != `{"v":1,"operation":"op","url":"new"}` {
			t.Errorf("got %s", got)
		}
	})
}

// A policy that grants no jobs leaves the rest of the unit alone.
func TestForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := start(t, &memory{}, nil)
		defer u.stop()
		l := newService(t).connect()
		l.forbid = true
		if err := u.jobs.Serve(t.Context(), l); err != nil {
			t.Error(err)
		}
	})
}

func TestUnreadableJournalBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		u := start(t, &memory{b: []byte("{")}, map[string]Runner{"op": &runner{run: func(context.Context, *Task) (map[string]string, error) { return nil, nil }}})
		defer u.stop()
		lose := u.serve(t, s.connect())
		defer lose()
		e := s.add("j1", doc("op"))
		await(t, "it is done", time.Minute, func() bool { return s.status(e) == wire.JobSucceeded })
	})
}
