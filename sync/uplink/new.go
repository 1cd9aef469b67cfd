package uplink

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"fountain/sync/wire"
)

// MaxWindow is the most messages without PUBACK, half of what AWS allows.
const MaxWindow = wire.MaxInFlight / 2

// Uplink sends one log. Make it with New; it outlives connections.
type Uplink struct {
	cfg   Config
	src   Source
	topic string
	log   *slog.Logger

	// Owned by Serve, kept from one connection to the next.
	gone    ranges // seqs above Acked that cannot be sent: set aside or damaged
	suspect suspect
	high    uint64        // nothing above it was ever sent
	through uint64        // everything up to it had its PUBACK once
	trip    time.Duration // from sending to PUBACK, smoothed
	// patience doubles each time everything was sent again and the mark did not move.
	patience time.Duration

	mu     sync.Mutex // guards status
	status Status
}

// New checks the configuration and returns an Uplink for src.
func New(cfg Config, src Source) (*Uplink, error) {
	orDefault := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	orDefault(&cfg.Linger, time.Second)
	orDefault(&cfg.LedgerInterval, 15*time.Minute)
	orDefault(&cfg.ReportEvery, 24*time.Hour)
	if cfg.Pace == nil {
		pace, err := NewPace(0)
		if err != nil {
			return nil, err
		}
		cfg.Pace = pace
	}
	if cfg.Window == 0 {
		cfg.Window = 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Window < 1 || cfg.Window > MaxWindow:
		return nil, fmt.Errorf("uplink window is %d: 1 to %d are allowed", cfg.Window, MaxWindow)
	case cfg.Rule == "":
		return nil, errors.New("uplink: no rule to send to")
	}
	topic := wire.BasicIngest(cfg.Rule, cfg.Thing)
	if err := errors.Join(wire.CheckThing(cfg.Thing), wire.CheckTopic(topic)); err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	// What an earlier process sent is not known: all there is.
	u := &Uplink{cfg: cfg, src: src, topic: topic, log: cfg.Log, high: src.Last(), patience: 1}
	u.refresh(nil)
	return u, nil
}

// Status returns what the Uplink knows; safe from any goroutine.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.status
	s.Alarms = slices.Clone(s.Alarms)
	return s
}

func (u *Uplink) count(f func(*Status)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.status)
}

func (u *Uplink) raise(alarm string) {
	u.count(func(s *Status) {
		if !slices.Contains(s.Alarms, alarm) {
			s.Alarms = append(s.Alarms, alarm)
		}
	})
}

func (u *Uplink) clear(alarm string) (was bool) {
	u.count(func(s *Status) {
		was = slices.Contains(s.Alarms, alarm)
		s.Alarms = slices.DeleteFunc(s.Alarms, func(a string) bool { return a == alarm })
	})
	return was
}

// refresh copies the source's figures into the status.
func (u *Uplink) refresh(r *run) {
	log, last, acked := u.src.Log(), u.src.Last(), u.src.Acked()
	sent := acked
	if r != nil {
		sent = max(acked, r.sent())
	}
	u.count(func(s *Status) {
		s.Log, s.Last, s.Acked, s.Sent = log, last, acked, sent
		s.Backlog = last - min(last, acked)
	})
}

// window is how many messages may be without PUBACK now: what the rate needs on this line.
func (u *Uplink) window() int {
	need := int(1.25*u.trip.Seconds()*float64(u.cfg.Pace.limiter.Limit())) + 2
	return min(max(u.cfg.Window, need), MaxWindow)
}

// took takes note of a round trip.
func (u *Uplink) took(d time.Duration) {
	if u.trip == 0 {
		u.trip = d
	}
	u.trip += (d - u.trip) / 8
}
