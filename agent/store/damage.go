package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// condemnRead deals with damage a reader met.
func (s *Store) condemnRead(log string, g *segment, why error) error {
	s.wmu.Lock()
	defer s.wmu.Unlock()
	l := s.find(log)
	if l == nil {
		return nil // retired meanwhile
	}
	var short *shortError
	if errors.As(why, &short) && short.seq > g.first { // one that holds nothing goes as a whole
		return s.condemnGap(l, g, short.seq)
	}
	for _, x := range l.segs {
		if x == g {
			return s.condemn(l, g, why)
		}
	}
	return nil // another reader was first
}

// condemn sets a damaged segment aside, rescues what is legible of it and reports it. When records above the acknowledged
// mark were in it and the log is current, a new one begins. The caller holds wmu.
func (s *Store) condemn(l *logInfo, g *segment, why error) error {
	at := slices.Index(l.segs, g)
	isNewest := at == len(l.segs)-1
	end := l.end(at)
	s.rmu.Lock()
	_ = s.closeSegment(g) // it is damaged; its content is on the disk
	r, err := s.rescue(g, end)
	if err == nil {
		s.mu.Lock()
		l.segs = slices.Concat(l.segs[:at], r.segs, l.segs[at+1:])
		if r.kept != "" {
			s.inBad++
		}
		s.mu.Unlock()
	}
	s.rmu.Unlock()
	if err != nil {
		return err
	}
	d := Damage{File: cmp.Or(r.kept, g.path), Log: l.name, FirstSeq: g.first, LastSeq: end, Rescued: r.count, Lost: r.holes, Err: why}
	if from := max(r.last+1, g.first); from <= end {
		d.Lost = append(d.Lost, Gap{from, end})
	}
	return s.note(l, isNewest || end > l.saved.Acked, d)
}

// condemnGap notes that records from seq to the end of segment g's range are missing.
func (s *Store) condemnGap(l *logInfo, g *segment, seq uint64) error {
	for i, x := range l.segs {
		if x == g && l.end(i) >= seq {
			gap := Gap{seq, l.end(i)}
			d := Damage{
				File: segmentPath(s.dir, l.name, seq), Log: l.name, FirstSeq: gap.From, LastSeq: gap.To, Lost: []Gap{gap},
				Err: fmt.Errorf("records are missing: %w", fs.ErrNotExist),
			}
			return s.note(l, i == len(l.segs)-1 || gap.To > l.saved.Acked, d)
		}
	}
	return nil // another reader was first
}

// note makes what is lost durable, begins a new log if the current one is not to go on, and reports the damage.
func (s *Store) note(l *logInfo, renew bool, d Damage) error {
	var err error
	if len(d.Lost) > 0 {
		err = s.updateLog(l, func(saved *savedLog) {
			for _, gap := range d.Lost {
				saved.Gaps = addGap(saved.Gaps, gap)
			}
			saved.skipGaps()
		}, noMore)
	}
	if l == s.cur && renew {
		d.NewLog = true
		err = errors.Join(err, s.beginLog())
	}
	s.mu.Lock()
	s.damages = append(s.damages, d)
	s.mu.Unlock()
	if s.o.OnDamage != nil {
		s.o.OnDamage(d)
	}
	return err
}

// verifyPiece is how many records Verify checks before it yields: below a millisecond of work.
const verifyPiece = 64

// Verify walks every closed segment, so that damage is known before the records are needed. It yields often.
func (s *Store) Verify(ctx context.Context) error {
	for _, st := range s.Logs() {
		s.mu.Lock()
		var segs []*segment
		if l := s.find(st.Log); l != nil {
			segs = l.segs
			if st.Current && len(segs) > 0 {
				segs = segs[:len(segs)-1] // written to: verified when opened
			}
		}
		s.mu.Unlock()
		for _, g := range segs {
			if err := s.yield(ctx); err != nil {
				return err
			}
			n := 0
			_, err := g.scan(func(frame) {
				if n++; n%verifyPiece == 0 {
					_ = s.yield(ctx) // an ended context is told before the next segment
				}
			})
			switch {
			case err == nil:
			case isNewer(err):
				return err
			default:
				if err := s.condemnRead(st.Log, g, err); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// yield waits until bulk work may go on.
func (s *Store) yield(ctx context.Context) error {
	if err := ctx.Err(); err != nil || s.o.Yield == nil {
		return err
	}
	return s.o.Yield(ctx)
}
