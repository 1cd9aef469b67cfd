package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"fountain/internal/problem"
)

// Calls of the service API. They work on the service socket only.

// StartOp begins an operation and its lease: BeatOp has to follow within LeaseLimit. Most callers want Work.
func (c *Client) StartOp(ctx context.Context, req StartOp) (Op, error) {
	var o Op
	return o, c.do(ctx, c.lease, http.MethodPost, "/v1/service/ops", req, &o)
}

// OpLease is StartOp with its lease, for a screen whose own loop beats: it starts an operation and leaves questions to the
// caller, who has to Stop the lease. ctx bounds the start only.
func (c *Client) OpLease(ctx context.Context, req StartOp) (*Lease, Op, error) {
	o, err := c.StartOp(ctx, req)
	if err != nil {
		return nil, o, err
	}
	return c.opLease(ctx, o.ID), o, nil
}

func (c *Client) opLease(ctx context.Context, id string) *Lease {
	stop := func(ctx context.Context, id, _ string) error { return c.StopOp(ctx, id) }
	return newLease(ctx, id, held{beat: c.BeatOp, stop: stop})
}

// Op returns one operation, live or ended.
func (c *Client) Op(ctx context.Context, id string) (Op, error) {
	var o Op
	return o, c.do(ctx, c.plain, http.MethodGet, opPath(id), nil, &o)
}

// BeatOp renews the lease of operation id. The error is a *problem.Problem with CodeConflict when it has ended.
func (c *Client) BeatOp(ctx context.Context, id string) error {
	return c.do(ctx, c.lease, http.MethodPost, opPath(id)+"/beat", nil, nil)
}

// AnswerOp answers the question of operation id.
func (c *Client) AnswerOp(ctx context.Context, id string, a Answer) (Op, error) {
	var o Op
	return o, c.do(ctx, c.plain, http.MethodPost, opPath(id)+"/answer", a, &o)
}

// StopOp stops operation id; everything shuts. One that already ended is no error.
func (c *Client) StopOp(ctx context.Context, id string) error {
	return c.do(ctx, c.plain, http.MethodDelete, opPath(id), nil, nil)
}

func opPath(id string) string { return "/v1/service/ops/" + url.PathEscape(id) }

// Lines lists every valve, meter, pump and agitator with its service history.
func (c *Client) Lines(ctx context.Context) ([]Line, error) {
	var l []Line
	return l, c.do(ctx, c.plain, http.MethodGet, "/v1/service/lines", nil, &l)
}

// UndoCalibration goes back to the calibration before the present one.
func (c *Client) UndoCalibration(ctx context.Context, line, person string) (Line, error) {
	var l Line
	path := "/v1/service/lines/" + url.PathEscape(line) + "/undo?person=" + url.QueryEscape(person)
	return l, c.do(ctx, c.plain, http.MethodPost, path, nil, &l)
}

// Cartridges lists every slot.
func (c *Client) Cartridges(ctx context.Context) ([]Cartridge, error) {
	var l []Cartridge
	return l, c.do(ctx, c.plain, http.MethodGet, "/v1/service/cartridges", nil, &l)
}

// ChangeCartridge says what a person did with a slot.
func (c *Client) ChangeCartridge(ctx context.Context, slot string, change CartridgeChange) (Cartridge, error) {
	var out Cartridge
	return out, c.do(ctx, c.plain, http.MethodPut, "/v1/service/cartridges/"+url.PathEscape(slot), change, &out)
}

// Alarms lists what stands, with its evidence.
func (c *Client) Alarms(ctx context.Context) ([]Alarm, error) {
	var l []Alarm
	return l, c.do(ctx, c.plain, http.MethodGet, "/v1/service/alarms", nil, &l)
}

// ClearAlarm says that a person has mended the cause.
func (c *Client) ClearAlarm(ctx context.Context, clear ClearAlarm) error {
	return c.do(ctx, c.plain, http.MethodPost, "/v1/service/alarms/clear", clear, nil)
}

// Setup tells how far the first-run wizard is.
func (c *Client) Setup(ctx context.Context) (Setup, error) {
	var s Setup
	return s, c.do(ctx, c.plain, http.MethodGet, "/v1/service/setup", nil, &s)
}

// AnswerSetup answers one step, or runs its check.
func (c *Client) AnswerSetup(ctx context.Context, step string, a SetupAnswer) (Setup, error) {
	var s Setup
	return s, c.do(ctx, c.plain, http.MethodPost, "/v1/service/setup/"+url.PathEscape(step), a, &s)
}

// Audit lists service actions, newest first.
func (c *Client) Audit(ctx context.Context) ([]AuditEntry, error) {
	var l []AuditEntry
	return l, c.do(ctx, c.plain, http.MethodGet, "/v1/service/audit", nil, &l)
}

// Crew is the person at an operation, as Work talks to them. Both calls come from goroutines of Work.
type Crew interface {
	// Show is told how the operation stands, about every BeatEvery; it must not block for long: the caller's life is what
	// the beats prove.
	Show(Op)
	// Answer waits for a person and may take its time: nothing flows meanwhile. The context ends when the question is no
	// longer asked. An error stops the operation, and Work returns it.
	Answer(ctx context.Context, o Op, ask Ask) (Answer, error)
	// Refused is told that the unit did not take an answer. Nil asks again; an error stops the operation.
	Refused(o Op, why error) error
}

// Work runs a whole operation: it starts it, beats until ctx ends or the operation ends, passes questions to crew and
// answers to the unit. The end of ctx stops it; everything shuts; that is no error, the outcome says it.
func (c *Client) Work(ctx context.Context, req StartOp, crew Crew) (Op, error) {
	o, err := c.StartOp(ctx, req)
	if err != nil {
		return o, err
	}
	w := work{c: c, crew: crew, op: o, lease: c.opLease(ctx, o.ID)}
	err = w.run(ctx)
	stopErr := w.lease.Stop()
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	last, endErr := c.ended(wait, o.ID)
	switch {
	case err != nil:
		return last, err
	case endErr == nil:
		crew.Show(last)
		return last, nil
	case w.lease.Err() != nil:
		return w.op, w.lease.Err()
	case stopErr != nil:
		return w.op, stopErr
	default:
		return w.op, endErr
	}
}

// ended waits until operation id has its outcome.
func (c *Client) ended(ctx context.Context, id string) (Op, error) {
	for {
		o, err := c.Op(ctx, id)
		if err == nil && o.Outcome != "" || err != nil && !away(err) {
			return o, err
		}
		t := time.NewTimer(BeatEvery / 2)
		select {
		case <-ctx.Done():
			t.Stop()
			if err == nil {
				err = &problem.Problem{
					Code: problem.CodeUnreachable, Where: c.socket, What: "the operation was stopped, but the unit does not say how it ended",
					Remedy: "see fountainctl status", Retry: true,
				}
			}
			return o, err
		case <-t.C:
		}
	}
}

// work is one run of Work.
type work struct {
	c     *Client
	crew  Crew
	lease *Lease
	op    Op

	taken *Ask // the answer to it was taken, but the unit may still show it
	step  int  // at which
	until time.Time
}

// takeTime is how long an answered question may still be shown: the control loop takes the answer at its next tick.
const takeTime = time.Second

// asks is the question to put to a person now; nil: none.
func (w *work) asks() *Ask {
	if w.op.Ask == nil || w.taken == nil {
		w.taken = nil
		return w.op.Ask
	}
	if *w.op.Ask == *w.taken && w.op.Step == w.step && time.Now().Before(w.until) {
		return nil
	}
	w.taken = nil
	return w.op.Ask
}

// question is one that a person is asked; its goroutine ends when the person answered or cancel was called.
type question struct {
	ask    Ask
	cancel context.CancelFunc
	reply  chan reply
	over   bool // it is no longer asked: whatever the reply says
}

type reply struct {
	answer Answer
	err    error
}

func (w *work) ask(ctx context.Context, ask Ask) *question {
	ctx, cancel := context.WithCancel(ctx)
	q := &question{ask: ask, cancel: cancel, reply: make(chan reply, 1)} // one: a person may answer a loop that is gone
	o := w.op
	go func() {
		a, err := w.crew.Answer(ctx, o, ask)
		q.reply <- reply{a, err}
	}()
	return q
}

// run returns when the operation is to be stopped or has ended.
func (w *work) run(ctx context.Context) error {
	tick := time.NewTicker(BeatEvery)
	defer tick.Stop()
	ctx, end := context.WithCancel(ctx)
	defer end() // a question under way with it
	var q *question
	for w.op.Outcome == "" {
		w.lease.Beat()
		var replies chan reply
		if q == nil {
			w.crew.Show(w.op)
			if ask := w.asks(); ask != nil {
				q = w.ask(ctx, *ask)
			}
		}
		if q != nil {
			replies = q.reply
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.lease.Ended():
			return nil
		case r := <-replies:
			over, asked := q.over, q.ask
			q.cancel()
			q = nil
			switch {
			case ctx.Err() != nil:
				return nil
			case over: // answered into the void
			case r.err != nil:
				return r.err
			default:
				if err := w.answer(ctx, asked, r.answer); err != nil {
					return err
				}
			}
		case <-tick.C:
			if now, err := w.c.Op(ctx, w.op.ID); err == nil { // without an answer the last known state stands
				w.op = now
			}
			if q != nil && (w.op.Ask == nil || *w.op.Ask != q.ask) {
				q.over = true // the operation goes on without it, or has ended
				q.cancel()
			}
		}
	}
	return nil
}

// answer passes an answer on. Only what the unit refuses as a wrong answer is asked again.
func (w *work) answer(ctx context.Context, asked Ask, a Answer) error {
	step := w.op.Step
	now, err := w.c.AnswerOp(ctx, w.op.ID, a)
	var p *problem.Problem
	switch {
	case err == nil:
		w.op = now
		w.taken, w.step, w.until = &asked, step, time.Now().Add(takeTime)
		return nil
	case ctx.Err() != nil:
		return nil
	case errors.As(err, &p) && p.Code == problem.CodeBadRequest:
		return w.crew.Refused(w.op, err)
	case errors.As(err, &p) && (p.Code == problem.CodeConflict || p.Code == problem.CodeNotFound):
		w.op.Ask = nil // it is asked no longer; the next look says what is
		return nil
	default:
		return err
	}
}
