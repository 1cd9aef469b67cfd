package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/beat"
	"fountain/agent/record"
	"fountain/agent/store"
	"fountain/internal/logkey"
	"fountain/internal/problem"
	"fountain/sync/wire"
)

// guardWait bounds how long recovery waits for the guard to shut MASTER after the last process died: its limit is
// 150 ms, and a closed connection shuts it at once.
const guardWait = 2 * time.Second

// intentStore is what recovery needs of agent/store.
type intentStore interface {
	recordStore
	OpenIntents() ([]store.Intent, error)
}

// recovery turns what the last process left open into records. It runs before the machine, so that no new beat
// overwrites the guard's last one. Each intent and its record are one commit: a kill in the middle leaves the rest
// open, and the next start continues with it.
type recovery struct {
	store intentStore
	unit  record.Unit
	last  func() (beat.Last, error) // the guard's file
	board *alarm.Board
	log   *slog.Logger
	step  func() // test seam: between two intents
}

func (r *recovery) run(ctx context.Context) ([]*wire.Record, error) {
	open, err := r.store.OpenIntents()
	if err != nil {
		return nil, fmt.Errorf("list open pours: %w", err)
	}
	if len(open) == 0 {
		return nil, nil
	}
	last, err := r.lastBeat(ctx)
	if err != nil {
		return nil, err
	}
	var made []*wire.Record
	for _, o := range open {
		in, err := record.DecodeIntent(o.Body)
		var p *problem.Problem
		switch {
		case errors.As(err, &p): // a newer schema: never touched
			return made, p
		case err != nil:
			r.setAside(o.ID, err)
			continue
		}
		pour := record.Interrupted(in, last, r.unit.Boot)
		var rec *wire.Record
		seq, err := r.store.Append(ctx, o.ID, func(log string, seq uint64) ([]byte, error) {
			made, b, err := record.Build(r.unit, pour, log, seq)
			rec = made
			return b, err
		})
		switch {
		case errors.Is(err, wire.ErrRecord): // no retry heals it, and the unit must start
			r.setAside(o.ID, err)
			continue
		case err != nil:
			return made, fmt.Errorf("record interrupted pour %s: %w", o.ID, err)
		}
		if rec != nil {
			made = append(made, rec)
		}
		r.log.Warn("recorded interrupted pour", slog.String(logkey.Pour, o.ID), slog.Uint64(logkey.Seq, seq),
			slog.String(logkey.Reason, pour.Reason), slog.Int64(logkey.VolumeUL, pour.CountedUL+pour.EstimatedUL))
		if r.step != nil {
			r.step()
		}
	}
	return made, nil
}

// setAside tells of an intent that no record can be made of; it stays in the store.
func (r *recovery) setAside(id string, err error) {
	r.board.Set(alarm.Alarm{Name: alarm.IntentDamaged, Scope: id, Evidence: err.Error()})
	r.log.Error("intent is damaged", slog.String(logkey.Pour, id), slog.Any(logkey.Err, err))
}

// lastBeat reads the guard's last beat and waits until it knows when MASTER was shut: a restart can be faster than
// that. nil when the guard has none of this boot.
func (r *recovery) lastBeat(ctx context.Context) (*record.LastBeat, error) {
	end := time.Now().Add(guardWait)
	for {
		l, err := r.last()
		switch {
		case errors.Is(err, beat.ErrNoLast):
			return nil, nil
		case err != nil:
			r.log.Warn("read last beat", slog.Any(logkey.Err, err))
			return nil, nil // the record says what is not known
		case l.MasterOpen && time.Now().Before(end):
			t := time.NewTimer(beat.Period)
			select {
			case <-ctx.Done():
				t.Stop()
				return nil, ctx.Err()
			case <-t.C:
			}
			continue
		}
		return &record.LastBeat{
			Boot: l.BootID, Session: l.Packet.Session, Pour: l.Packet.Pour, CountedUL: l.Packet.CountedUL, RateULs: l.Packet.RateULs,
			ReceivedAt: l.BeatAt, MasterShut: l.MasterShutAt != 0 && !l.MasterOpen, MasterShutAt: l.MasterShutAt,
			NeverOpened: l.MasterShutAt == 0 && !l.MasterOpen,
		}, nil
	}
}
