package service

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"fountain/agent/api"
	"fountain/internal/logkey"
)

// leash holds the lease of a pour or an operation: the screen's own loop beats it, and it is let go of on every way out.
// A leash is used once.
//
//	free ─take─► asking ─granted─► held ─drop, or the agent ends it─► over
//	               └─ drop meanwhile: let go of as soon as it is granted
type leash struct {
	s     *Service
	tick  func()      // every BeatEvery while it is held
	over  func(error) // it ended without drop; the error says why when the agent was lost
	lease *api.Lease

	asking   bool
	dropped  bool
	why      string // it was dropped
	stopTick func()
}

// take asks for a lease.
func (h *leash) take(ask func(context.Context) (*api.Lease, error), got func(error)) {
	s := h.s
	h.asking = true
	s.wg.Go(func() {
		ctx, cancel := s.bounded(answerLimit) // not of the page: what was granted has to be let go of
		lease, err := ask(ctx)
		cancel()
		if err == nil {
			lease.Beat()
		}
		s.stage.Do(func() {
			h.asking = false
			if err == nil && (h.dropped || s.closed) {
				s.wg.Go(func() { s.release(lease, cmp.Or(h.why, api.StopReleased)) })
				return
			}
			if err == nil {
				h.lease = lease
				h.stopTick = s.stage.Every(api.BeatEvery, h.beat)
				h.beat()
			}
			if !h.dropped {
				got(err)
			}
		})
	})
}

func (h *leash) beat() {
	select {
	case <-h.lease.Ended():
		h.end()
		h.over(h.lease.Err())
		return
	default:
	}
	h.lease.Beat()
	if h.tick != nil {
		h.tick()
	}
}

func (h *leash) end() {
	if h.stopTick != nil {
		h.stopTick()
		h.stopTick = nil
	}
}

// drop lets go: everything shuts. after, if not nil, is called when the agent has heard it.
func (h *leash) drop(reason string, after func()) {
	if h.dropped {
		return
	}
	h.dropped, h.why = true, reason
	h.end()
	if h.lease == nil {
		return
	}
	s, l := h.s, h.lease
	s.letting.Add(1)
	s.wg.Go(func() {
		s.release(l, reason)
		s.letting.Done()
		if after != nil {
			s.stage.Do(after)
		}
	})
}

// held reports whether something may flow, or soon.
func (h *leash) held() bool { return !h.dropped && (h.asking || h.stopTick != nil) }

// release stops a lease. Not the Fyne thread.
func (s *Service) release(l *api.Lease, reason string) {
	if err := l.StopFor(reason); err != nil {
		s.log.Warn("stop at the service screen", slog.String(logkey.Action, l.ID()), slog.Any(logkey.Err, err)) // no beats follow: the lease ends it
	}
}

// settleLimit bounds how long the screen waits to hear how something ended.
const settleLimit = 8 * time.Second
