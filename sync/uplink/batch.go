package uplink

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"fountain/sync/wire"
)

// batch is one message.
type batch struct {
	entries []Entry
	full    bool // nothing would be gained by waiting for more
	bulk    bool // more records wait behind it
	again   bool // listed missing by the cloud
	control bool // one record sent out of turn, to compare a suspect with
	sent    time.Time
}

func (b *batch) first() uint64 { return b.entries[0].Seq }
func (b *batch) last() uint64  { return b.entries[len(b.entries)-1].Seq }

func (b *batch) payload() []byte {
	bodies := make([][]byte, len(b.entries))
	total := 0
	for i, e := range b.entries {
		bodies[i] = e.Body
		total += len(e.Body)
	}
	return wire.AppendBatch(make([]byte, 0, wire.BatchSize(len(bodies), total)), bodies...)
}

// readLimit is how many records one read asks for: more than fit into a message of the smallest sensible records.
const readLimit = 64

// prepare returns the next message, or nil when there is nothing to send now.
func (r *run) prepare() (*batch, error) {
	if len(r.again) > 0 {
		b, err := r.missing()
		if b != nil || err != nil {
			return b, err
		}
	}
	if s := &r.u.suspect; s.single() && r.acks == 0 && r.next >= s.first && r.next <= s.last {
		b, err := r.control()
		if b != nil || err != nil {
			return b, err
		}
	}
	return r.following()
}

// following returns the batch that starts at next.
func (r *run) following() (*batch, error) {
	for {
		r.skip()
		last := r.u.src.Last()
		if r.next > last {
			return nil, nil
		}
		entries, err := r.u.src.Read(r.next, readLimit, r.room())
		if err != nil {
			return nil, fmt.Errorf("read log from %d: %w", r.next, err)
		}
		if len(entries) == 0 { // the newest are gone: nothing waits for them
			r.gap(r.next, last+1)
			r.next = last + 1
			return nil, r.advance()
		}
		r.gap(r.next, entries[0].Seq)
		r.next = entries[0].Seq
		if bad, why := unfit(entries[0].Body); bad {
			if err := r.quarantine(entries[0], why); err != nil {
				return nil, err
			}
			continue
		}
		if r.committed(r.next) {
			continue
		}
		b := &batch{}
		most, stop := r.bounds()
		total := 0
		for i, e := range entries {
			bad, _ := unfit(e.Body)
			cut := i > 0 && (bad || e.Seq >= stop || i >= most || r.committed(e.Seq) ||
				wire.BatchSize(i+1, total+len(e.Body)) > r.room())
			if cut {
				b.full = true
				break
			}
			if i > 0 {
				r.gap(entries[i-1].Seq+1, e.Seq)
			}
			total += len(e.Body)
			b.entries = append(b.entries, e)
		}
		b.bulk = last > b.last()
		b.full = b.full || b.bulk || len(b.entries) == most
		return b, nil
	}
}

// bounds says how many records the next batch may have and which seq it must stay below, because of a suspect.
func (r *run) bounds() (most int, stop uint64) {
	s := &r.u.suspect
	most, stop = readLimit, ^uint64(0)
	switch {
	case !s.active() || r.next > s.last:
	case r.next < s.first:
		stop = s.first
	default:
		stop = s.last + 1
		if s.size > 0 {
			most = s.size
		}
	}
	return most, stop
}

// missing returns a batch of the records the cloud lists as missing.
func (r *run) missing() (*batch, error) {
	b := &batch{again: true, full: true}
	total := 0
	for len(r.again) > 0 {
		seq := r.again[0]
		entries, err := r.u.src.Read(seq, 1, r.room())
		if err != nil {
			return nil, fmt.Errorf("read log at %d: %w", seq, err)
		}
		if len(entries) == 0 || entries[0].Seq != seq {
			if len(entries) > 0 {
				r.gap(seq, seq+1) // later ones are there: this one is gone
			}
			r.again = r.again[1:]
			continue
		}
		e := entries[0]
		if len(b.entries) > 0 && (wire.BatchSize(len(b.entries)+1, total+len(e.Body)) > r.room() || r.u.suspect.touches(b.first(), seq)) {
			break
		}
		total += len(e.Body)
		b.entries = append(b.entries, e)
		r.again = r.again[1:]
	}
	if len(b.entries) == 0 {
		return nil, nil
	}
	return b, nil
}

// control returns a record to compare the suspect with, another one each time it did not help: first those that were
// accepted before, then those that follow.
func (r *run) control() (*batch, error) {
	const choice = 4 // neighbours on either side
	s := &r.u.suspect
	var all []Entry
	for _, from := range []uint64{max(r.u.src.Oldest(), s.first-min(s.first, choice)), s.last + 1} {
		entries, err := r.u.src.Read(from, choice, choice*r.room())
		if err != nil {
			return nil, fmt.Errorf("read log from %d: %w", from, err)
		}
		all = append(all, slices.DeleteFunc(entries, func(e Entry) bool {
			bad, _ := unfit(e.Body)
			return bad || from < s.first && e.Seq >= s.first
		})...)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return &batch{entries: []Entry{all[s.tries%len(all)]}, full: true, control: true}, nil
}

// room is what the records of one message and their brackets may take.
func (r *run) room() int { return wire.BatchBytes - len(r.u.topic) }

// unfit says whether a body can never be sent.
func unfit(body []byte) (bool, string) {
	switch {
	case wire.BatchSize(1, len(body)) > wire.MaxPayload:
		return true, fmt.Sprintf("record has %d bytes, more than a message may hold", len(body))
	case !json.Valid(body):
		return true, "record is not JSON"
	}
	return false, ""
}
