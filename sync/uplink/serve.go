package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// run is one connection of an Uplink. All of it belongs to Serve's goroutine.
type run struct {
	u      *Uplink
	pub    Publisher
	ledger Shadow
	ack    wire.Ack
	next   uint64    // first seq not sent on this connection
	ready  *batch    // prepared and waiting: for company, rate or the gate
	since  time.Time // when the record oldest was seen
	oldest uint64    // first record that waits for company
	flight []*batch  // sent, no PUBACK yet, in order of sending
	marks  []mark    // PUBACKed and not settled
	acks   int       // PUBACKs on this connection
	again  []uint64  // listed missing, due
	resent map[uint64]time.Time
	due    bool // a report is due
	hung   bool // a message failed because the peer closed

	answers  chan answer
	asking   bool      // the ledger is asked for again
	askAfter time.Time // not before, because it did not answer

	results   chan result
	gate      chan error
	gateAsked bool
	gateOpen  bool // one bulk message may go
	wg        sync.WaitGroup
}

// mark says that records up to upto got their PUBACK not later than at.
type mark struct {
	upto uint64
	at   time.Time
}

type result struct {
	b   *batch
	err error
}

type answer struct {
	doc *wire.ShadowDocument
	err error
}

// Serve works on one connection until it is lost, fails, or ctx ends. It asks the ledger first, then sends from the
// first record the ledger does not have.
func (u *Uplink) Serve(ctx context.Context, pub Publisher, ledger Shadow) error {
	ctx, cancel := context.WithCancel(ctx)
	r := &run{
		u: u, pub: pub, ledger: ledger, resent: make(map[uint64]time.Time),
		results: make(chan result, MaxWindow+1), // every message in flight can leave its result without waiting
		answers: make(chan answer, 1),           // one question at a time
		gate:    make(chan error, 1),
	}
	err := r.loop(ctx)
	cancel()
	r.wg.Wait()
	if cerr := r.close(); cerr != nil {
		err = errors.Join(err, cerr)
	}
	u.refresh(nil)
	return err
}

func (r *run) loop(ctx context.Context) error {
	reported, err := r.start(ctx)
	if err != nil {
		return err
	}
	states := make(chan json.RawMessage) // handed over, so the newest is never behind an old one
	failed := make(chan error, 1)
	r.wg.Go(func() {
		for {
			s, err := r.ledger.Next(ctx)
			if err != nil {
				failed <- fmt.Errorf("follow ledger: %w", err)
				return
			}
			select {
			case states <- s:
			case <-ctx.Done():
				return
			}
		}
	})
	daily := time.NewTicker(r.u.cfg.ReportEvery)
	defer daily.Stop()
	reportDone := make(chan error, 1)
	reporting := false
	r.due = true
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		if r.due && !reporting {
			r.due, reporting = false, true
			report := r.report(reported)
			r.wg.Go(func() { reportDone <- r.ledger.Report(ctx, report) })
		}
		r.overdue(ctx, time.Now())
		wait, err := r.fill(ctx)
		if err != nil {
			return err
		}
		r.u.refresh(r)
		wake.Reset(wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.pub.Lost():
			return errLost
		case err := <-failed:
			return err
		case err := <-reportDone:
			reporting = false
			if err != nil && ctx.Err() == nil {
				r.u.log.Warn("ledger report was not taken", logkey.Err, err)
			}
		case s := <-states:
			if err := r.apply(s); err != nil {
				return err
			}
		case a := <-r.answers:
			if err := r.answered(a); err != nil {
				return err
			}
		case res := <-r.results:
			if err := r.take(res); err != nil {
				return err
			}
		case err := <-r.gate:
			if err != nil {
				return err
			}
			r.gateAsked, r.gateOpen = false, true
		case <-r.u.src.Notify():
		case <-daily.C:
			r.due = true
		case <-wake.C:
		}
	}
}

var errLost = errors.New("connection lost")

// start asks for the ledger and returns the logs that were reported before.
func (r *run) start(ctx context.Context) (wire.LedgerReport, error) {
	r.next = r.u.src.Acked() + 1
	doc, err := r.ledger.Get(ctx)
	switch {
	case none(err):
		return nil, nil
	case silent(err):
		r.u.log.Warn("the ledger does not answer: records go up once and stay here", logkey.Log, r.u.src.Log(), logkey.Err, err)
		r.silence(time.Now())
		if t := r.u.through; t >= r.next { // accepted on an earlier connection
			r.next, r.marks = t+1, []mark{{t, time.Now()}}
		}
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get ledger: %w", err)
	}
	if err := r.apply(doc.State.Desired); err != nil {
		return nil, err
	}
	reported, err := wire.DecodeLedgerReport(doc.State.Reported)
	if err != nil {
		r.u.log.Warn("reported ledger cannot be read", logkey.Err, err)
	}
	return reported, nil
}

func (r *run) report(before wire.LedgerReport) wire.LedgerReport {
	r.u.refresh(r)
	s := r.u.Status()
	alarm := ""
	if len(s.Alarms) > 0 {
		alarm = s.Alarms[0]
	}
	rep := wire.LedgerReport{s.Log: {
		Last: s.Last, Oldest: r.u.src.Oldest(), Acked: s.Acked, Backlog: s.Backlog, Quarantined: s.Quarantined,
		Restore: r.u.src.Restored(), Alarm: alarm,
	}}
	if len(before) >= wire.MaxLedgerLogs { // logs of earlier stores; their place is needed
		for log := range before {
			if log != s.Log && (r.u.cfg.Keeps == nil || !r.u.cfg.Keeps(log)) {
				rep[log] = nil
			}
		}
	}
	return rep
}

const idle = time.Hour // longest sleep of the loop; every cause to act wakes it earlier

// fill sends what may be sent now and says how long nothing more can be done.
func (r *run) fill(ctx context.Context) (time.Duration, error) {
	wait := idle
	if len(r.marks) > 0 && r.next > r.u.src.Last() && !r.asking {
		wait = max(time.Until(r.overdueAt()), time.Millisecond)
	}
	for len(r.flight) < r.u.window() {
		b, err := r.pick()
		if b == nil || err != nil {
			return wait, err
		}
		if r.alone(b) {
			return wait, nil // until the results are in
		}
		if hold := time.Until(r.since.Add(r.u.cfg.Linger)); !b.full && hold > 0 {
			return min(wait, hold), nil
		}
		if b.bulk && r.held(ctx) {
			return wait, nil
		}
		if d := r.u.cfg.Pace.take(); d > 0 {
			return min(wait, d), nil
		}
		r.send(ctx, b)
	}
	return wait, nil
}

// pick returns the prepared batch, made anew when more records have come.
func (r *run) pick() (*batch, error) {
	if b := r.ready; b != nil && b.again {
		return b, nil
	}
	if b := r.ready; b != nil && (b.full || r.u.src.Last() == b.last()) && len(r.again) == 0 {
		return b, nil
	}
	b, err := r.prepare()
	if b != nil && r.oldest != b.first() {
		r.since, r.oldest = time.Now(), b.first()
	}
	r.ready = b
	return b, err
}

// alone says whether b must wait because it, or what is in flight, has to travel alone.
func (r *run) alone(b *batch) bool {
	if len(r.flight) == 0 {
		return false
	}
	s := &r.u.suspect
	strict := func(x *batch) bool { return x.control || s.touches(x.first(), x.last()) }
	return strict(b) || slices.ContainsFunc(r.flight, strict)
}

// held says whether bulk work has to wait for the gate, and asks it if nobody did yet.
func (r *run) held(ctx context.Context) bool {
	if r.u.cfg.Gate == nil || r.gateOpen {
		return false
	}
	if !r.gateAsked {
		r.gateAsked = true
		r.wg.Go(func() { r.gate <- r.u.cfg.Gate.Idle(ctx) }) // capacity 1, one question at a time
	}
	return true
}

func (r *run) send(ctx context.Context, b *batch) {
	r.flight = append(r.flight, b)
	r.ready, r.gateOpen = nil, false
	switch {
	case b.control:
	case b.again:
		for _, e := range b.entries {
			r.resent[e.Seq] = time.Now()
		}
		r.u.count(func(s *Status) { s.Resent += uint64(len(b.entries)) })
	default:
		r.next = b.last() + 1
	}
	b.sent = time.Now()
	r.u.high = max(r.u.high, b.last())
	answer := r.pub.Send(ctx, r.u.topic, 1, b.payload())
	r.wg.Go(func() { r.results <- result{b, <-answer} })
}

// take takes the outcome of a message in. PUBACK means accepted by the rule, not stored: nothing is settled by it.
func (r *run) take(res result) error {
	if res.err != nil {
		r.hung = r.hung || hungUp(res.err)
		return res.err // the batch stays in flight: close looks at it
	}
	b := res.b
	r.u.took(time.Since(b.sent))
	r.flight = slices.DeleteFunc(r.flight, func(x *batch) bool { return x == b })
	r.acks++
	r.u.suspect.passed(b.first(), b.last())
	r.u.clear(AlarmRecordHangup)
	if b.control || b.again {
		return nil
	}
	now := time.Now()
	if n := len(r.marks); n > 0 && now.Sub(r.marks[n-1].at) < r.u.cfg.LedgerInterval/8 {
		r.marks[n-1].upto = max(r.marks[n-1].upto, b.last())
		return nil
	}
	r.marks = append(r.marks, mark{b.last(), now})
	return nil
}

// sent is the seq up to which everything has its PUBACK on this connection.
func (r *run) sent() uint64 {
	upto := r.next - 1
	for _, b := range r.flight {
		if !b.control && !b.again {
			upto = min(upto, b.first()-1)
		}
	}
	return upto
}

// close looks at what was in flight when the connection ended, after every sender is done.
func (r *run) close() error {
	for len(r.results) > 0 {
		_ = r.take(<-r.results) // whoever ended the connection has told why
	}
	r.u.through = max(r.u.through, r.sent())
	select {
	case <-r.pub.Lost():
	default:
		return nil // ended from this side
	}
	if !r.hung || len(r.flight) == 0 {
		return nil
	}
	b := r.flight[0]
	s := &r.u.suspect
	guilty := s.hungUp(r.flight, r.acks > 0)
	if s.single() {
		r.u.raise(AlarmRecordHangup)
	}
	if guilty == 0 {
		return nil
	}
	return r.quarantine(b.entries[0], "the cloud closes the connection whenever this record is sent")
}
