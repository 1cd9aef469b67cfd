package uplink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fountain/internal/logkey"
	"fountain/sync/shadow"
	"fountain/sync/wire"
)

// none says that there is no ledger yet, silent that nobody could tell.
func none(err error) bool {
	var refused *wire.ShadowError
	return errors.As(err, &refused) && refused.Code == wire.ShadowNotFound
}

func silent(err error) bool {
	var refused *wire.ShadowError
	return errors.Is(err, shadow.ErrNoAnswer) || errors.As(err, &refused) && refused.Code != wire.ShadowNotFound
}

// silence puts off what needs the ledger.
func (r *run) silence(now time.Time) {
	r.askAfter = now.Add(r.u.cfg.LedgerInterval)
	r.u.raise(AlarmLedgerSilent)
}

// apply takes a desired state of the ledger shadow in.
func (r *run) apply(desired []byte) error {
	r.askAfter = time.Time{}
	r.u.clear(AlarmLedgerSilent)
	l, err := wire.DecodeLedger(desired)
	if err != nil {
		// A ledger nobody can read must not stop the upload: nothing is deleted, everything stays due.
		r.u.log.Error("ledger cannot be read", logkey.Log, r.u.src.Log(), logkey.Err, err)
		return nil
	}
	ack, ok := l.Ack[r.u.src.Log()]
	if !ok {
		return nil
	}
	top := max(ack.Upto, ack.Seen)
	if n := len(ack.Have); n > 0 {
		top = max(top, ack.Have[n-1][1])
	}
	if n := len(ack.Missing); n > 0 {
		top = max(top, ack.Missing[n-1]) // nobody can miss it: the list is not about this log
	}
	if top > r.u.high {
		// Another log's figures, or ours after the store lost its end. Believing it would delete what is not committed,
		// if not now then when the log has grown so far.
		r.u.log.Error("ledger tells of records that were never sent; nothing is deleted",
			logkey.Log, r.u.src.Log(), logkey.Seq, top, "last", r.u.high)
		r.ack = wire.Ack{}
		r.u.raise(AlarmLedgerAhead)
		r.due = true
		return nil
	}
	if r.u.clear(AlarmLedgerAhead) {
		r.due = true
	}
	if ack.Restore != 0 && ack.Restore != r.u.src.Restored() {
		if err := r.replay(ack); err != nil {
			return err
		}
	}
	r.ack = ack
	r.list(ack.Missing)
	return r.advance()
}

// replay goes back to where the cloud's memory ends.
func (r *run) replay(ack wire.Ack) error {
	src := r.u.src
	back := min(src.Acked(), max(ack.Safe(), src.Oldest()-1))
	r.u.log.Warn("the cloud was restored and asks again", logkey.Log, src.Log(), logkey.Seq, back, logkey.Count, src.Acked()-back)
	if err := src.Rewind(back, ack.Restore); err != nil {
		return fmt.Errorf("go back to %d for restore %d: %w", back, ack.Restore, err)
	}
	r.u.through = min(r.u.through, back)
	r.restart(back + 1)
	r.due = true
	return nil
}

// restart makes everything from seq on due again.
func (r *run) restart(seq uint64) {
	r.u.count(func(s *Status) { s.Resent += r.next - min(seq, r.next) })
	r.next, r.marks, r.ready, r.again = seq, nil, nil, nil
	clear(r.resent)
}

// advance moves the cursor over everything that is committed or gone.
func (r *run) advance() error {
	was := r.u.src.Acked()
	upto := max(was, r.ack.Safe())
	for {
		if end, ok := r.u.gone.end(upto + 1); ok {
			upto = end
			continue
		}
		if !r.committed(upto + 1) {
			break
		}
		upto = r.committedTo(upto + 1)
	}
	upto = min(upto, r.u.src.Last())
	if upto <= was { // lower than ours: an old answer
		return nil
	}
	if err := r.u.src.SetAcked(upto); err != nil {
		return fmt.Errorf("store acknowledgement %d: %w", upto, err)
	}
	r.u.gone.trim(upto)
	r.marks = slices.DeleteFunc(r.marks, func(m mark) bool { return m.upto <= upto })
	r.u.patience = 1
	r.again = slices.DeleteFunc(r.again, func(seq uint64) bool { return seq > was && seq <= upto })
	if r.next <= upto {
		r.next = upto + 1
	}
	r.ready = nil
	return nil
}

// horizon is the highest seq about which the ledger tells: everything up to it that is not missing is committed. The
// list holds the lowest missing seqs, so it is complete up to its last entry, and up to Seen when there is room left.
func (r *run) horizon() uint64 {
	n := len(r.ack.Missing)
	if n == 0 {
		return r.ack.Seen
	}
	if last := r.ack.Missing[n-1]; n == wire.MaxLedgerMissing || r.ack.Seen < last {
		return last
	}
	return r.ack.Seen
}

// committed says whether the ledger has seq.
func (r *run) committed(seq uint64) bool {
	return seq <= r.ack.Safe() || seq <= r.horizon() && !slices.Contains(r.ack.Missing, seq) || r.island(seq) > 0
}

// island is the end of the committed range that holds seq; 0 when the ledger names none.
func (r *run) island(seq uint64) uint64 {
	for _, h := range r.ack.Have {
		if seq >= h[0] && seq <= h[1] && !slices.Contains(r.ack.Missing, seq) {
			return h[1]
		}
	}
	return 0
}

// committedTo is the end of the committed stretch that holds seq.
func (r *run) committedTo(seq uint64) uint64 {
	if safe := r.ack.Safe(); seq <= safe {
		return safe
	}
	if seq > r.horizon() {
		return r.island(seq)
	}
	for _, m := range r.ack.Missing { // ascending
		if m > seq {
			return min(m-1, r.horizon())
		}
	}
	return r.horizon()
}

// list makes the missing seqs due, unless they are under way, not sent yet, gone, or were sent again so lately that
// the ledger could not have told. That holds below the acknowledged mark, too: a cloud that misses what it has
// acknowledged was restored from a backup, and what is still kept is sent.
func (r *run) list(missing []uint64) {
	maps.DeleteFunc(r.resent, func(_ uint64, at time.Time) bool { return time.Since(at) >= r.u.cfg.LedgerInterval })
	for _, seq := range missing {
		_, lately := r.resent[seq]
		if lately || seq >= r.next || r.u.gone.has(seq) || slices.Contains(r.again, seq) || r.flying(seq) {
			continue
		}
		r.again = append(r.again, seq)
	}
	slices.Sort(r.again)
}

func (r *run) flying(seq uint64) bool {
	return slices.ContainsFunc(r.flight, func(b *batch) bool {
		return slices.ContainsFunc(b.entries, func(e Entry) bool { return e.Seq == seq })
	})
}

// overdue asks for the ledger when it has kept silent for three of its intervals after a PUBACK: a delta may have been
// lost. It waits until every record was sent once, so that a long backlog is not started over and over.
func (r *run) overdue(ctx context.Context, now time.Time) {
	if len(r.marks) == 0 || r.next <= r.u.src.Last() || r.asking || now.Before(r.overdueAt()) {
		return
	}
	r.asking = true
	r.wg.Go(func() {
		doc, err := r.ledger.Get(ctx)
		r.answers <- answer{doc, err}
	})
}

// mostPatience bounds the wait before the next try when sending again did not move the mark: a ledger that cannot tell
// (it has more gaps than it lists) must not make a unit send the same over and over.
const mostPatience = 24 * time.Hour

func (r *run) overdueAt() time.Time {
	at := r.marks[0].at.Add(min(3*r.u.cfg.LedgerInterval*r.u.patience, mostPatience+3*r.u.cfg.LedgerInterval))
	if at.Before(r.askAfter) {
		return r.askAfter
	}
	return at
}

// answered takes the ledger in that overdue asked for. What is not settled then was accepted and lost: it is due again.
func (r *run) answered(a answer) error {
	r.asking = false
	switch {
	case none(a.err):
	case silent(a.err):
		r.silence(time.Now())
		return nil
	case a.err != nil:
		return fmt.Errorf("get ledger: %w", a.err)
	default:
		if err := r.apply(a.doc.State.Desired); err != nil {
			return err
		}
	}
	if len(r.marks) == 0 || time.Now().Before(r.overdueAt()) {
		return nil
	}
	r.u.patience = min(2*r.u.patience, 1<<20)
	from := r.u.src.Acked() + 1
	r.u.log.Warn("accepted and not stored, sending again", logkey.Log, r.u.src.Log(), logkey.Seq, from, logkey.Count, r.next-from)
	r.restart(from)
	return nil
}

// skip moves next over what need not be sent.
func (r *run) skip() {
	for {
		if end, ok := r.u.gone.end(r.next); ok {
			r.next = end + 1
			continue
		}
		if !r.committed(r.next) {
			return
		}
		r.next = r.committedTo(r.next) + 1
	}
}

// gap notes that the log holds nothing from seq from to before.
func (r *run) gap(from, before uint64) {
	if before > from {
		r.u.gone.add(from, before-1)
	}
}

// quarantine sets a record aside and goes on behind it.
func (r *run) quarantine(e Entry, why string) error {
	if err := r.u.src.Quarantine(e.Seq, why, e.Body); err != nil {
		return fmt.Errorf("quarantine record %d: %w", e.Seq, err)
	}
	r.u.log.Error("record set aside", logkey.Log, r.u.src.Log(), logkey.Seq, e.Seq, logkey.Reason, why)
	r.u.gone.add(e.Seq, e.Seq)
	r.u.raise(AlarmQuarantine)
	r.u.count(func(s *Status) { s.Quarantined++ })
	r.due, r.ready = true, nil
	return r.advance()
}
