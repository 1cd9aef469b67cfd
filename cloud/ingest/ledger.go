package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"fountain/cloud/store"
	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// ledger paces the writing of ledger shadows.
type ledger struct {
	cfg  Config
	log  *slog.Logger
	fig  *figures
	wake chan struct{} // capacity 1: a flag

	mu    sync.Mutex
	units map[string]*pace
	queue agenda // of those for whom something is due
}

// pace is what is known about one unit's ledger. It is a cache: after a restart everything is written once.
type pace struct {
	thing   string
	place   int       // in the agenda, noPlace when nothing is due
	due     time.Time // zero: nothing to write
	last    time.Time // when it was written
	records int       // committed since
	force   bool      // write even if nothing changed
	written string    // the state written last
	missing string    // its gaps, for noticing a new one
	look    time.Time // when to look at the unit's report once more; zero: not
}

// reportAfter is how long after it connected a unit has reported what it has, at the latest.
const reportAfter = 15 * time.Second

// How long after a question that did not move a mark it is asked again.
const (
	askAgainAfter = 24 * time.Hour
	askAgainSoon  = time.Hour
)

func (l *ledger) unit(thing string) *pace {
	p := l.units[thing]
	if p == nil {
		p = &pace{thing: thing, place: noPlace}
		l.units[thing] = p
	}
	return p
}

// sooner brings the next write forward.
func (p *pace) sooner(t time.Time) {
	if p.due.IsZero() || t.Before(p.due) {
		p.due = t
	}
}

func (l *ledger) kick() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake already
	}
}

func (l *ledger) connected(thing string) {
	l.mu.Lock()
	p := l.unit(thing)
	p.look = time.Now().Add(reportAfter)
	p.sooner(time.Now())
	l.queue.put(p)
	l.mu.Unlock()
	l.kick()
}

func (l *ledger) committed(thing string, c progress) {
	l.mu.Lock()
	p := l.unit(thing)
	p.records += c.records
	p.force = p.force || c.again
	urgent := p.force || p.records >= l.cfg.Backlog
	l.mu.Unlock()
	gaps := ""
	if !urgent && c.gap {
		marks, err := l.cfg.Store.Marks(context.Background(), thing, wire.MaxLedgerLogs)
		if err != nil {
			l.log.Error("cannot read marks", logkey.Thing, thing, logkey.Err, err)
		}
		gaps = gapsOf(marks)
	}
	l.mu.Lock()
	if urgent || gaps != p.missing {
		p.sooner(p.last.Add(l.cfg.LedgerAtLeast))
	} else {
		p.sooner(p.last.Add(l.cfg.LedgerInterval))
	}
	l.queue.put(p)
	l.mu.Unlock()
	l.kick()
}

func gapsOf(marks []store.Mark) string {
	s := ""
	for _, m := range marks {
		if len(m.Missing) > 0 {
			s += fmt.Sprint(m.Log, m.Missing)
		}
	}
	return s
}

func (l *ledger) run(ctx context.Context) {
	for {
		thing, due := l.earliest()
		var timer <-chan time.Time
		if thing != "" {
			if wait := time.Until(due); wait > 0 {
				timer = time.After(wait)
			} else {
				l.act(ctx, thing)
				if ctx.Err() != nil {
					return
				}
				continue
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		case <-timer:
		}
	}
}

func (l *ledger) earliest() (thing string, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return "", time.Time{}
	}
	return l.queue[0].thing, l.queue[0].next()
}

func (l *ledger) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// act does what is due for a unit: writing, or looking whether its report makes writing due.
func (l *ledger) act(ctx context.Context, thing string) {
	l.mu.Lock()
	p := l.unit(thing)
	look := !p.look.IsZero() && !time.Now().Before(p.look)
	if look {
		p.look = time.Time{}
		l.queue.put(p)
	}
	due := !p.due.IsZero() && !time.Now().Before(p.due)
	l.mu.Unlock()
	if look && !due {
		marks, err := l.cfg.Store.Marks(ctx, thing, 2*wire.MaxLedgerLogs)
		if err == nil {
			_, due, err = l.compare(ctx, thing, marks)
		}
		if err != nil && ctx.Err() == nil {
			l.log.Error("cannot compare with the unit's report", logkey.Thing, thing, logkey.Err, err)
		}
	}
	if due {
		l.write(ctx, thing)
	}
}

// write puts the committed marks into the unit's ledger shadow. Logs beyond the newest four are taken out.
func (l *ledger) write(ctx context.Context, thing string) {
	l.mu.Lock()
	p := l.unit(thing)
	p.due, p.records = time.Time{}, 0
	l.queue.put(p)
	force := p.force
	p.force = false
	before := p.written
	l.mu.Unlock()

	state, gaps, err := l.state(ctx, thing)
	if err == nil && state != "" && (force || state != before) {
		if _, err = l.cfg.Ledger.UpdateShadow(ctx, thing, wire.LedgerShadow, []byte(state)); err == nil {
			l.fig.ledgerWrites.Inc()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			l.fig.ledgerFailures.Inc()
			l.log.Error("cannot write ledger", logkey.Thing, thing, logkey.Err, err)
		}
		p.force = true
		p.sooner(time.Now().Add(5 * time.Second))
		l.queue.put(p)
		return
	}
	p.last, p.written, p.missing = time.Now(), state, gaps
}

func (l *ledger) state(ctx context.Context, thing string) (state, gaps string, err error) {
	marks, err := l.cfg.Store.Marks(ctx, thing, 2*wire.MaxLedgerLogs)
	if err == nil {
		marks, _, err = l.compare(ctx, thing, marks)
	}
	if err != nil || len(marks) == 0 {
		return "", "", err
	}
	ack := map[string]*wire.Ack{}
	for k, m := range marks {
		ack[m.Log] = nil // null takes an old log out
		if k < wire.MaxLedgerLogs {
			ack[m.Log] = &wire.Ack{Upto: m.Upto, Missing: m.Missing, Seen: m.Last, Have: m.Have, Restore: m.Restore}
		}
	}
	b, err := json.Marshal(map[string]any{"desired": map[string]any{"ack": ack}})
	return string(b), gapsOf(marks[:min(len(marks), wire.MaxLedgerLogs)]), err
}

// compare looks for records that the unit was told are committed and the store does not have: it was restored from a
// backup. The unit is asked for them. If that does not move the mark, the unit has them no more and passed over them:
// it is not asked again from there for a while. Not for ever, because the backup may be of the time between the asking
// and the answer.
func (l *ledger) compare(ctx context.Context, thing string, marks []store.Mark) (_ []store.Mark, asked bool, _ error) {
	raw, err := l.cfg.Ledger.ReportedShadow(ctx, thing, wire.LedgerShadow)
	if err != nil {
		return nil, false, fmt.Errorf("read report: %w", err)
	}
	reported, err := wire.DecodeLedgerReport(raw)
	if err != nil {
		l.log.Warn("report cannot be read", logkey.Thing, thing, logkey.Err, err)
		return marks, false, nil
	}
	for log, r := range reported {
		k := slices.IndexFunc(marks, func(m store.Mark) bool { return m.Log == log })
		mark := store.Mark{Thing: thing, Log: log}
		if k >= 0 {
			mark = marks[k]
		}
		patience := askAgainAfter
		if r.Acked > mark.Last { // a hole within a log is left by damage; what is above the newest, hardly ever
			patience = askAgainSoon
		}
		vain := mark.Restore != 0 && mark.AskedAt == mark.Upto && time.Since(time.Unix(int64(mark.Restore), 0)) < patience
		if r == nil || r.Acked <= mark.Upto || r.Restore != mark.Restore && mark.Restore != 0 || vain {
			continue
		}
		mark.Restore = max(uint64(time.Now().Unix()), mark.Restore+1)
		l.log.Warn("the unit was told of more than is stored; it is asked again",
			logkey.Thing, thing, logkey.Log, log, logkey.Seq, mark.Upto, logkey.Count, r.Acked-mark.Upto)
		if err := l.cfg.Store.AskAgain(ctx, thing, log, mark.Restore); err != nil {
			return nil, false, err
		}
		l.fig.restores.Inc()
		asked = true
		if k >= 0 {
			marks[k] = mark
		} else {
			marks = append([]store.Mark{mark}, marks...)
		}
	}
	return marks, asked, nil
}
