package jobs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"fountain/sync/wire"
)

// session is the job service on one connection.
type session struct {
	conn  Conn
	path  wire.JobsPath
	thing string
	next  chan struct{} // one signal: the next job has changed

	mu      sync.Mutex // guards waiting, never held over I/O
	waiting map[string]chan answer
}

type answer struct {
	body []byte
	err  error
}

func open(ctx context.Context, conn Conn, thing string) (*session, error) {
	s := &session{conn: conn, path: wire.Jobs(thing), thing: thing, next: make(chan struct{}, 1), waiting: map[string]chan answer{}}
	if err := conn.Subscribe(ctx, s.receive, wire.JobFilters(thing)...); err != nil {
		return nil, fmt.Errorf("subscribe to jobs: %w", err)
	}
	return s, nil
}

// receive is the connection's handler; it never blocks.
func (s *session) receive(topic string, payload []byte) {
	t, ok := wire.ParseJobs(topic)
	if !ok || t.Thing != s.thing {
		return
	}
	switch {
	case topic == s.path.NotifyNext():
		select {
		case s.next <- struct{}{}:
		default: // it is known already
		}
	case t.Kind == "accepted":
		var head wire.JobsRequest
		if json.Unmarshal(payload, &head) == nil {
			s.hand(head.ClientToken, answer{body: payload})
		}
	case t.Kind == "rejected":
		if e, err := wire.DecodeJobError(payload); err == nil {
			s.hand(e.ClientToken, answer{err: e})
		}
	}
}

func (s *session) hand(token string, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch := s.waiting[token]; ch != nil {
		delete(s.waiting, token)
		ch <- a // capacity 1, one answer per token
	}
}

func (s *session) await(token string, ch chan answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ch == nil {
		delete(s.waiting, token)
		return
	}
	s.waiting[token] = ch
}

// ask sends a request and waits for its answer: a *wire.JobError when it was refused.
func (s *session) ask(ctx context.Context, topic string, body func(token string) any) ([]byte, error) {
	token := rand.Text()
	payload, err := json.Marshal(body(token))
	if err != nil {
		return nil, fmt.Errorf("encode job request: %w", err)
	}
	got := make(chan answer, 1)
	s.await(token, got)
	defer s.await(token, nil)
	timer := time.NewTimer(AnswerTimeout)
	defer timer.Stop()
	if err := s.conn.Publish(ctx, topic, 1, payload); err != nil {
		return nil, fmt.Errorf("ask the job service: %w", err)
	}
	select {
	case a := <-got:
		return a.body, a.err
	case <-timer.C:
		return nil, ErrNoAnswer
	case <-s.conn.Lost():
		return nil, ErrLost
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// startNext begins the next execution; nil when there is none.
func (s *session) startNext(ctx context.Context, step int64) (*wire.JobExecution, error) {
	body, err := s.ask(ctx, s.path.StartNext(), func(token string) any {
		return wire.StartNextJob{StepTimeout: &step, ClientToken: token}
	})
	if err != nil {
		return nil, err
	}
	a, err := wire.DecodeJobAnswer(body)
	if err != nil {
		return nil, err
	}
	return a.Execution, nil
}

// describe asks how an execution stands; nil when it is over for this unit: done, cancelled, deleted or begun anew.
func (s *session) describe(ctx context.Context, id string, number int64) (*wire.JobExecution, error) {
	body, err := s.ask(ctx, s.path.Describe(id), func(token string) any {
		return wire.DescribeJob{ExecutionNumber: &number, ClientToken: token}
	})
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a, err := wire.DecodeJobAnswer(body)
	switch {
	case err != nil:
		return nil, err
	case a.Execution == nil, wire.JobTerminal(a.Execution.Status), a.Execution.ExecutionNumber != number:
		return nil, nil
	}
	return a.Execution, nil
}

// update reports on an execution.
func (s *session) update(ctx context.Context, id string, up wire.UpdateJob) error {
	_, err := s.ask(ctx, s.path.Update(id), func(token string) any { up.ClientToken = token; return up })
	return err
}
