package service

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"time"

	"fountain/agent/api"
	"fountain/internal/logkey"
	"fountain/internal/problem"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// session is a person who gave the PIN. The agent ends it SessionIdle after the last change or touch it was told of; reading
// does not count there. The screen tells it touches, counts from the last one and ends the session by then at the latest.
type session struct {
	id     string
	client *api.Client
	began  time.Time
	over   time.Time // at most
	asking bool      // whether it still stands
	told   time.Time // the last touch that the agent knows of
	away   time.Time // since when the agent does not answer; zero: it does
}

// awayLimit is how long the agent may be silent before the screen says so and locks.
const awayLimit = 15 * time.Second

// unlocked goes on with the session the agent opened.
func (s *Service) unlocked(open *api.Session) {
	now := s.now()
	s.session = &session{id: open.ID, client: s.client.WithSession(open), began: now, told: now, over: now.Add(api.SessionLimit)}
}

// agent is the client to call: with the session when there is one.
func (s *Service) agent() *api.Client {
	if s.session != nil {
		return s.session.client
	}
	return s.client
}

// busy is a page whose work needs no touch for a while: an operation that moves something.
type busy interface{ busy() bool }

// left is how long the session lasts unless somebody touches the screen.
func (s *Service) left() time.Duration {
	now := s.now()
	last := s.stage.LastTouch()
	if last.Before(s.session.began) {
		last = s.session.began
	}
	left := s.session.over.Sub(now)
	if b, ok := s.page.(busy); ok && b.busy() {
		return left
	}
	return min(left, last.Add(api.SessionIdle).Sub(now))
}

// pinIdle is how long the screens stay open without a touch before there is a session.
const (
	pinIdle   = 45 * time.Second
	setupIdle = 10 * time.Minute
)

// countdown runs every second: the session ends in time, and the screen notices when the agent ended it.
func (s *Service) countdown() {
	if s.session == nil {
		idle := pinIdle
		if _, ok := s.page.(*setupPage); ok {
			idle = setupIdle
		}
		if last := s.stage.LastTouch(); !last.IsZero() && s.now().Sub(last) > idle {
			s.exit()
		}
		return
	}
	if s.left() <= 0 {
		s.log.Info("service session ends: nobody touched the screen, or its time is over")
		s.exit()
		return
	}
	s.lock.refresh(s)
	if s.session.asking {
		return
	}
	s.session.asking = true
	at := s.session
	ask := s.client.Session
	if touch := s.stage.LastTouch(); touch.After(at.told) {
		at.told, ask = touch, s.client.TouchSession
	}
	s.always(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, partLimit)
		defer cancel()
		_, err := ask(ctx, at.id)
		return err
	}, func(err error) { s.stands(at, err) })
}

// stands takes in whether the agent still knows the session.
func (s *Service) stands(at *session, err error) {
	if s.session != at {
		return
	}
	at.asking = false
	switch {
	case err == nil:
		at.away = time.Time{}
	case is(err, problem.CodeNotFound), is(err, problem.CodeForbidden):
		s.log.Info("service session is over")
		s.session = nil
		s.exit()
	case at.away.IsZero():
		at.away = s.now()
	case s.now().Sub(at.away) > awayLimit:
		s.exit()
	}
}

// is reports whether err is the agent's answer with that code.
func is(err error, code string) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code == code
}

// endSession tells the agent that the person left; what it does not hear ends by itself.
func (s *Service) endSession() {
	if s.session == nil {
		return
	}
	id := s.session.id
	s.session = nil
	s.wg.Go(func() {
		s.letting.Wait() // without a session nothing could be stopped but by its lease
		ctx, cancel := context.WithTimeout(context.Background(), partLimit)
		defer cancel()
		if err := s.client.CloseSession(ctx, id); err != nil {
			s.log.Info("close service session", slog.Any(logkey.Err, err))
		}
	})
}

// lockPill is the button that ends the session and tells how long it lasts.
type lockPill struct {
	c  *sheet.Control
	at rect
}

func (l *lockPill) add(d *draw, at rect) {
	l.at = at
	id, icon := "service.lock", "lock"
	if d.s.session == nil {
		id, icon = "service.leave", "x"
	}
	text := d.s.lockText()
	l.c = sheet.NewControl(id, sheet.RoleButton, text, d.pillPic(icon, text, at), at.x, at.y, d.s.exit)
	l.c.Radius = float32(at.h) / 2
	d.Control(l.c)
}

func (d *draw) pillPic(icon, text string, at rect) *image.RGBA {
	st := d.iconOnly(icon, at)
	st.IconPX, st.Gap = d.m.f(34, 18), d.m.v(14, 6)
	fitted, sz := d.fit(text, theme.Size{PX: st.PX, Line: 1, Cut: theme.Text}, float64(at.w)-st.IconPX-float64(st.Gap)-d.m.f(44, 22))
	st.PX = sz.PX
	return d.Look.Button(fitted, st)
}

func (s *Service) lockText() string {
	if s.session == nil {
		return s.look.T("service.leave")
	}
	left := int(max(s.left(), 0).Seconds())
	return s.look.T("service.lock", "left", fmt.Sprintf("%d:%02d", left/60, left%60))
}

// refresh shows the time that is left; it moves nothing else, so that no finger is disturbed.
func (l *lockPill) refresh(s *Service) {
	if l.c == nil {
		return
	}
	text := s.lockText()
	if text == l.c.Name {
		return
	}
	l.c.Name = text
	d := s.on(s.look.Sheet(s.look.Roles.BG, s.look.Roles.Ink))
	l.c.SetPicture(d.pillPic("lock", text, l.at))
	l.c.Refresh()
}
