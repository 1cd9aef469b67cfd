package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/sync/wire"
)

const thing = "u1"

// service is the job service for one thing, by the letter of spec/awsiot.md 7, with the faults a test asks for.
type service struct {
	t       *testing.T
	answers sync.WaitGroup

	mu      sync.Mutex
	queue   []*wire.JobExecution // in order; what is over stays
	mute    bool                 // requests are taken and never answered
	lose    int                  // so many answers to updates are lost after they took effect
	refuse  []string             // codes for the next updates
	meddle  func(*wire.JobExecution)
	updates []wire.UpdateJob
	asked   map[string]int // by operation
	link    *link
}

func newService(t *testing.T) *service { return &service{t: t, asked: map[string]int{}} }

// link is one connection.
type link struct {
	s       *service
	hear    func(string, []byte)
	filters []string
	lost    chan struct{}
	forbid  bool
}

func (s *service) connect() *link {
	l := &link{s: s, lost: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link = l
	return l
}

func (l *link) Lost() <-chan struct{} { return l.lost }

func (l *link) Subscribe(_ context.Context, h func(string, []byte), filters ...string) error {
	if l.forbid {
		return errors.New("subscription was refused")
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.hear, l.filters = h, filters
	return nil
}

func (l *link) Publish(_ context.Context, topic string, qos byte, payload []byte) error {
	if qos != 1 {
		l.s.t.Errorf("%s with QoS %d", topic, qos)
	}
	select {
	case <-l.lost:
		return errors.New("lost")
	default:
	}
	l.s.answers.Go(func() {
		time.Sleep(20 * time.Millisecond)
		l.s.answer(l, topic, payload)
	})
	return nil
}

func (s *service) say(l *link, topic string, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	hear := l.hear
	s.mu.Unlock()
	select {
	case <-l.lost:
	default:
		if hear != nil {
			hear(topic, raw)
		}
	}
}

// add queues a job and tells the unit, twice, as notifications may repeat.
func (s *service) add(id, document string) *wire.JobExecution {
	s.mu.Lock()
	e := &wire.JobExecution{
		JobSummary: wire.JobSummary{JobID: id, VersionNumber: 1, ExecutionNumber: 1}, ThingName: thing, Status: wire.JobQueued, Document: json.RawMessage(document),
	}
	s.queue = append(s.queue, e)
	l := s.link
	s.mu.Unlock()
	for range 2 {
		s.notify(l)
	}
	return e
}

func (s *service) notify(l *link) {
	if l == nil {
		return
	}
	s.mu.Lock()
	next := s.next()
	s.mu.Unlock()
	s.say(l, wire.Jobs(thing).NotifyNext(), wire.JobAnswer{Execution: next, Timestamp: time.Now().Unix()})
}

func (s *service) next() *wire.JobExecution {
	for _, state := range []string{wire.JobInProgress, wire.JobQueued} {
		for _, e := range s.queue {
			if e.Status == state {
				c := *e
				return &c
			}
		}
	}
	return nil
}

// cancel ends an execution as the service does.
func (s *service) cancel(e *wire.JobExecution) {
	s.mu.Lock()
	e.Status, e.VersionNumber = wire.JobCanceled, e.VersionNumber+1
	l := s.link
	s.mu.Unlock()
	s.notify(l)
}

func (s *service) status(e *wire.JobExecution) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.Status
}

func (s *service) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[op]
}

func (s *service) details(e *wire.JobExecution) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return e.StatusDetails
}

func (s *service) answer(l *link, topic string, payload []byte) {
	t, ok := wire.ParseJobs(topic)
	if !ok || t.Kind != "" || t.Thing != thing {
		s.t.Errorf("a unit has no business on %s", topic)
		return
	}
	var head wire.JobsRequest
	if err := json.Unmarshal(payload, &head); err != nil || head.ClientToken == "" {
		s.t.Errorf("%s: %s", topic, payload)
	}
	s.mu.Lock()
	s.asked[t.Op]++
	mute := s.mute
	s.mu.Unlock()
	if mute {
		return
	}
	accept := func(v any) { s.say(l, topic+"/accepted", v) }
	reject := func(code string, state *wire.JobExecutionState) {
		s.say(l, topic+"/rejected", wire.JobError{Code: code, Message: code, ClientToken: head.ClientToken, State: state})
	}
	switch t.Op {
	case wire.JobStartNext:
		s.mu.Lock()
		next := s.next()
		if next != nil && next.Status == wire.JobQueued {
			for _, e := range s.queue {
				if e.JobID == next.JobID && e.Status == wire.JobQueued {
					e.Status, e.VersionNumber = wire.JobInProgress, e.VersionNumber+1
					*next = *e
					break
				}
			}
		}
		s.mu.Unlock()
		accept(wire.JobAnswer{Execution: next, ClientToken: head.ClientToken})
	case wire.JobsGet:
		s.mu.Lock()
		i := slices.IndexFunc(s.queue, func(e *wire.JobExecution) bool { return e.JobID == t.ID })
		if i < 0 {
			s.mu.Unlock()
			reject(wire.JobNotFound, nil)
			return
		}
		c := *s.queue[i]
		s.mu.Unlock()
		if wire.JobTerminal(c.Status) {
			reject(wire.JobTerminalState, nil)
			return
		}
		accept(wire.JobAnswer{Execution: &c, ClientToken: head.ClientToken})
	case wire.JobUpdate:
		s.update(t.ID, payload, accept, reject)
	default:
		s.t.Errorf("unexpected request on %s", topic)
	}
}

func (s *service) update(id string, payload []byte, accept func(any), reject func(string, *wire.JobExecutionState)) {
	var up wire.UpdateJob
	if err := json.Unmarshal(payload, &up); err != nil {
		s.t.Error(err)
	}
	tell := func() {}
	defer func() { tell() }() // after the lock is free
	s.mu.Lock()
	defer s.mu.Unlock()
	yes, no := accept, reject
	accept = func(v any) { tell = func() { yes(v) } }
	reject = func(code string, state *wire.JobExecutionState) { tell = func() { no(code, state) } }
	s.updates = append(s.updates, up)
	if len(s.refuse) > 0 {
		code := s.refuse[0]
		s.refuse = s.refuse[1:]
		reject(code, nil)
		return
	}
	for _, e := range s.queue {
		if e.JobID != id {
			continue
		}
		if s.meddle != nil {
			s.meddle(e)
			s.meddle = nil
		}
		state := &wire.JobExecutionState{Status: e.Status, VersionNumber: e.VersionNumber}
		switch {
		case up.ExpectedVersion == nil || up.ExecutionNumber == nil || *up.ExecutionNumber != e.ExecutionNumber:
			s.t.Errorf("%s", payload)
		case wire.JobTerminal(e.Status):
			reject(wire.JobInvalidTransition, state)
			return
		case *up.ExpectedVersion != e.VersionNumber:
			reject(wire.JobVersionMismatch, state)
			return
		case len(up.StatusDetails) > wire.MaxStatusDetails || empty(up.StatusDetails):
			reject(wire.JobInvalidRequest, nil)
			return
		}
		e.Status, e.StatusDetails, e.VersionNumber = up.Status, up.StatusDetails, e.VersionNumber+1
		if s.lose > 0 {
			s.lose--
			return
		}
		accept(wire.UpdatedJob{State: &wire.JobExecutionState{Status: e.Status, VersionNumber: e.VersionNumber}, ClientToken: up.ClientToken})
		return
	}
	reject(wire.JobNotFound, nil)
}

// memory is a Journal.
type memory struct {
	mu sync.Mutex
	b  []byte
}

func (m *memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.b, nil
}

func (m *memory) Save(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.b = slices.Clone(b)
	return nil
}

// runner is an operation that a test writes.
type runner struct {
	run   func(ctx context.Context, t *Task) (map[string]string, error)
	check error
	limit time.Duration
}

func (r *runner) Check(json.RawMessage) error { return r.check }
func (r *runner) Limit() time.Duration        { return max(r.limit, time.Minute) }
func (r *runner) Run(ctx context.Context, t *Task) (map[string]string, error) {
	return r.run(ctx, t)
}

// unit is a process that works on jobs.
type unit struct {
	jobs *Jobs
	stop func()
}

// start begins a process with what an earlier one left in m.
func start(t *testing.T, m *memory, ops map[string]Runner) *unit {
	t.Helper()
	j := New(Config{Thing: func() string { return thing }, Operations: ops, Journal: m, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := j.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	return &unit{j, sync.OnceFunc(func() { cancel(); <-done })}
}

// serve works on a connection until it is lost; the returned function loses it.
func (u *unit) serve(t *testing.T, l *link) (lose func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- u.jobs.Serve(ctx, l) }()
	return sync.OnceFunc(func() {
		close(l.lost)
		if err := <-done; err != nil && !errors.Is(err, ErrLost) {
			t.Errorf("serve: %v", err)
		}
		cancel()
		l.s.answers.Wait()
	})
}

func await(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

func doc(op string) string { return fmt.Sprintf(`{"v":1,"operation":%q}`, op) }

// empty tells of a detail that the service does not take.
func empty(details map[string]string) bool {
	for k, v := range details {
		if k == "" || v == "" || strings.ContainsAny(k, " .") || strings.ContainsAny(v, "\n\t") {
			return true
		}
	}
	return false
}
