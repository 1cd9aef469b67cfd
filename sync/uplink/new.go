package uplink

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fountain/sync/wire"
)

// Uplink sends one log. Make it with New; it outlives connections.
type Uplink struct {
	cfg     Config
	src     Source
	topic   string
	log     *slog.Logger
	limiter *rate.Limiter

	// Owned by Serve, kept from one connection to the next.
	gone    ranges // seqs above Acked that cannot be sent: set aside or damaged
	suspect suspect

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
	if cfg.DrainRate == 0 {
		cfg.DrainRate = 10
	}
	if cfg.Window == 0 {
		cfg.Window = 20
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.DrainRate < 1 || cfg.DrainRate > 80:
		return nil, fmt.Errorf("sync.drain_rate is %g messages a second: 1 to 80 are allowed", cfg.DrainRate)
	case cfg.Window < 1 || cfg.Window > wire.MaxInFlight/2:
		return nil, fmt.Errorf("uplink window is %d: 1 to %d are allowed", cfg.Window, wire.MaxInFlight/2)
	case cfg.Rule == "":
		return nil, errors.New("uplink: no rule to send to")
	}
	topic := wire.BasicIngest(cfg.Rule, cfg.Thing)
	if err := errors.Join(wire.CheckThing(cfg.Thing), wire.CheckTopic(topic)); err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	u := &Uplink{
		cfg: cfg, src: src, topic: topic, log: cfg.Log,
		limiter: rate.NewLimiter(rate.Limit(cfg.DrainRate), 4), // lets a late wake-up catch up
	}
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
