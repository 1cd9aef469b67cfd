// Package service is what a technician sees at the screen: the PIN, the service home, and a page for each piece of work.
// It may import agent/api, and touchui/sheet, art, theme, words, kiosk and qr; it knows nothing of the machine but the API.
//
//	finger ─► page ─► job ─► api.Client (session) ─► agent: operations, lines, cartridges, alarms, setup
//	                   └──◄── answers, by stage.Do ──┘          page ─build─► sheet ─► root
//
// The machine's programs decide what an operation does, asks and proves: a page only shows it and passes answers on. The
// lease of an operation is beaten by the screen's own loop; whatever ends the page ends the operation.
//
// Service owns all state and is used on the Fyne thread only, except Wait. Calls to the agent run in goroutines that come
// back by Stage.Do; a call whose page is gone is forgotten.
package service

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/agent/api"
	"fountain/internal/logkey"
	"fountain/touchui/kiosk"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// Stage is the screen the pages stand on; *kiosk.App is it.
type Stage interface {
	Do(func())
	Every(time.Duration, func()) (stop func())
	After(time.Duration, func()) (stop func())
	Touching() bool
	LastTouch() time.Time
	CancelTouches()
	InputLost() bool
	OnLost(func()) (stop func())
}

var _ Stage = (*kiosk.App)(nil)

// Config says what the service screens run on.
type Config struct {
	Stage  Stage
	Client *api.Client
	Look   *sheet.Look // of the consumer's screens: its geometry, fonts and language are taken over
	Leave  func()      // back to the consumer's screens; called once
	Log    *slog.Logger
	Media  []string // where removable media are mounted; nil: /media, /run/media and /mnt
	Files  string   // where diagnostics go when there is no medium; empty: the directory of temporary files
}

const pictures = 6 << 20 // bytes of composed pictures kept

// Service is the technician's screens, from the PIN to the lock.
type Service struct {
	look   *sheet.Look
	m      metrics
	stage  Stage
	client *api.Client
	log    *slog.Logger
	leave  func()
	media  []string
	files  string
	mount  func(dir string) bool // something removable is mounted there

	root    *fyne.Container
	page    page
	stale   bool // the page is drawn again as soon as no finger rests
	drawing bool // touches that end now end because the page changes
	quit    chan struct{}
	wg      sync.WaitGroup
	letting sync.WaitGroup // leases being let go of: a session is closed after them
	tickers []func()       // stop what the stage calls
	closed  bool
	snap    api.Snapshot
	session *session // nil before the PIN
	lock    lockPill
	view    overview
	now     func() time.Time
}

// New opens the service screens at the PIN, or at the first-run wizard while no PIN was ever set.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Media == nil {
		cfg.Media = []string{"/media", "/run/media", "/mnt"}
	}
	l := sheet.New(cfg.Look.Geo, cfg.Look.Fonts, cfg.Look.Words, pictures)
	l.SetTheme(theme.DarkTheme())
	l.Large, l.Still, l.Units = cfg.Look.Large, cfg.Look.Still, cfg.Look.Units
	s := &Service{
		look: l, m: newMetrics(l.Geo), stage: cfg.Stage, client: cfg.Client, log: cfg.Log, leave: cfg.Leave,
		media: cfg.Media, files: cfg.Files, root: container.NewWithoutLayout(), mount: mountPoint, quit: make(chan struct{}), now: time.Now,
	}
	s.root.Resize(fyne.NewSize(float32(l.Geo.W), float32(l.Geo.H)))
	s.tickers = append(s.tickers, s.stage.Every(time.Second, s.tick), s.stage.Every(api.BeatEvery, s.catchUp), s.stage.OnLost(s.lost))
	s.show(newPIN(s))
	return s
}

// Name is the page shown, for logs and tests.
func (s *Service) Name() string { return "service." + s.page.name() }

// Content is what the stage shows; it stays the same object on every page.
func (s *Service) Content() fyne.CanvasObject { return s.root }

// Update takes a snapshot.
func (s *Service) Update(snap api.Snapshot) {
	was := s.snap
	s.snap = snap
	if s.closed {
		return
	}
	if was.Language != "" && snap.Language != "" && snap.Language != was.Language {
		s.speak(snap.Language)
	}
	if f, ok := s.page.(follower); ok {
		f.follow(was, snap)
	}
}

// speak changes the language of the screens.
func (s *Service) speak(tag string) {
	b, err := s.look.Words.Other(tag)
	if err != nil || tag == s.look.Words.Tag() {
		return // a language the screen has no words for
	}
	s.look.SetWords(b)
	s.redraw()
}

// Close stops what runs and ends the session. It does not wait.
func (s *Service) Close() {
	if s.closed {
		return
	}
	s.closed = true
	if s.page != nil {
		s.page.close()
	}
	for _, stop := range s.tickers {
		stop()
	}
	s.endSession()
	close(s.quit)
	sheet.Forget(s.root)
}

// Wait returns when every call to the agent has come back. Not on the Fyne thread, after Close.
func (s *Service) Wait() { s.wg.Wait() }

// lost stops what moves: nobody could stop it any more, or see it.
func (s *Service) lost() {
	if p, ok := s.page.(*operationPage); ok && !s.closed && (p.phase == working || p.phase == starting) {
		p.stop()
	}
}

// exit goes back to the consumer's screens.
func (s *Service) exit() {
	if s.closed {
		return
	}
	s.Close()
	if s.leave != nil {
		s.leave()
	}
}

// page is one screen of service.
type page interface {
	name() string
	build(*sheet.Sheet) // lays everything out anew
	close()             // the page is not shown any more: what it runs stops
}

// follower is a page that snapshots concern.
type follower interface{ follow(was, now api.Snapshot) }

// ticker is a page that does something every second.
type ticker interface{ second() }

// show changes the page. Fingers on the old one are lost.
func (s *Service) show(p page) {
	if s.closed {
		return
	}
	if s.page != nil {
		s.page.close()
	}
	s.page = p
	s.redraw()
	if o, ok := p.(opener); ok {
		o.opened()
	}
}

// opener is a page that asks the agent for something once it is shown.
type opener interface{ opened() }

// redraw draws the page anew, at once.
func (s *Service) redraw() {
	if s.closed {
		return
	}
	s.stale = false
	s.drawing = true
	s.stage.CancelTouches()
	s.drawing = false
	sh := s.look.Sheet(s.look.Roles.BG, s.look.Roles.Ink)
	sh.Box(0, 0, s.look.Geo.W, s.look.Geo.H, s.look.Roles.BG)
	s.page.build(sh)
	old := s.root.Objects
	sh.Fill(s.root)
	for _, o := range old {
		sheet.Forget(o)
	}
}

// changed draws the page anew when no finger rests on it.
func (s *Service) changed() {
	s.stale = true
	if !s.stage.Touching() {
		s.redraw()
	}
}

// tick runs every second.
func (s *Service) tick() {
	if s.closed {
		return
	}
	s.countdown()
	if s.closed {
		return
	}
	if t, ok := s.page.(ticker); ok {
		t.second()
	}
}

// catchUp draws what changed under a finger once it has lifted.
func (s *Service) catchUp() {
	if s.stale && !s.stage.Touching() {
		s.redraw()
	}
}

// How long the agent may take to answer.
const (
	answerLimit = 10 * time.Second
	partLimit   = 2 * time.Second // what has to be said when the session ends
)

// call runs f beside the Fyne thread and then back on it, unless the page is another by then.
func (s *Service) call(f func(context.Context) error, then func(error)) {
	p := s.page
	s.always(f, func(err error) {
		if s.page == p {
			then(err)
		}
	})
}

// always is call for what has to be known whatever page is shown.
func (s *Service) always(f func(context.Context) error, then func(error)) {
	s.wg.Go(func() {
		ctx, cancel := s.bounded(answerLimit)
		err := f(ctx)
		cancel()
		s.stage.Do(func() {
			if s.closed {
				return
			}
			if err != nil {
				s.log.Info("service call", slog.Any(logkey.Err, err))
			}
			then(err)
		})
	})
}

// bounded is a context for a call that ends after limit or with the service screens.
func (s *Service) bounded(limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	go func() { // ends with the context, which every caller cancels
		select {
		case <-s.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
