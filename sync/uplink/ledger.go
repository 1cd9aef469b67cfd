package uplink

import (
	"fmt"
	"slices"
	"time"

	"fountain/internal/logkey"
	"fountain/sync/wire"
)

// apply takes a desired state of the ledger shadow in.
func (r *run) apply(desired []byte) error {
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
	last := r.u.src.Last()
	if ack.Upto > last || ack.Seen > last {
		// Another log's figures, or ours after the store lost its end. Believing it would delete what is not committed.
		r.u.log.Error("ledger acknowledges records this log never had; nothing is deleted",
			logkey.Log, r.u.src.Log(), logkey.Seq, max(ack.Upto, ack.Seen), "last", last)
		r.ack = wire.Ack{}
		r.u.raise(AlarmLedgerAhead)
		r.due = true
		return nil
	}
	if r.u.clear(AlarmLedgerAhead) {
		r.due = true
	}
	r.ack = ack
	r.list(ack.Missing)
	return r.advance()
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
	r.again = slices.DeleteFunc(r.again, func(seq uint64) bool { return seq <= upto })
	for seq := range r.resent {
		if seq <= upto {
			delete(r.resent, seq)
		}
	}
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
	return seq <= r.ack.Safe() || seq <= r.horizon() && !slices.Contains(r.ack.Missing, seq)
}

// committedTo is the end of the committed stretch that holds seq.
func (r *run) committedTo(seq uint64) uint64 {
	if safe := r.ack.Safe(); seq <= safe {
		return safe
	}
	for _, m := range r.ack.Missing { // ascending
		if m > seq {
			return min(m-1, r.horizon())
		}
	}
	return r.horizon()
}

// list makes the missing seqs due, unless they are under way, not sent yet, gone, or were sent again so lately that
// the ledger could not have told.
func (r *run) list(missing []uint64) {
	for _, seq := range missing {
		at, before := r.resent[seq]
		switch {
		case seq <= r.u.src.Acked(), seq >= r.next, r.u.gone.has(seq), slices.Contains(r.again, seq), r.flying(seq):
		case before && time.Since(at) < r.u.cfg.LedgerInterval:
		default:
			r.again = append(r.again, seq)
		}
	}
	slices.Sort(r.again)
}

func (r *run) flying(seq uint64) bool {
	return slices.ContainsFunc(r.flight, func(b *batch) bool {
		return slices.ContainsFunc(b.entries, func(e Entry) bool { return e.Seq == seq })
	})
}

// rewind makes everything unsettled due again when the ledger has kept silent for three of its intervals after the
// PUBACK. It waits until every record was sent once, so that a long backlog is not started over and over.
func (r *run) rewind(now time.Time) {
	if len(r.marks) == 0 || r.next <= r.u.src.Last() || now.Before(r.rewindAt()) {
		return
	}
	from := r.u.src.Acked() + 1
	r.u.log.Warn("ledger is silent, sending again", logkey.Log, r.u.src.Log(), logkey.Seq, from, logkey.Count, r.next-from)
	r.u.count(func(s *Status) { s.Resent += r.next - from })
	r.next, r.marks, r.ready = from, nil, nil
}

func (r *run) rewindAt() time.Time { return r.marks[0].at.Add(3 * r.u.cfg.LedgerInterval) }

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
