// Package screens is what a consumer sees and touches. It imports the local API's types and client (agent/api), the
// catalogue's types, kiosk for its contracts, and its own art; no hardware and no other part of the agent.
//
//	api.Client.Events ─► Snapshot ─► Menu (pure) ─► page ─► pictures, controls ─► kiosk
//	finger ─► dome ─► pourer (hold machine) ─► api.Lease: start, beat from this loop, stop
//
// UI owns all state and is used on the Fyne thread only, except Run. Menu, hold, Idle and the words are pure.
// Layout follows the size: portrait panels use the geometry drawn for 1080×1920, wide ones that for 800×480.
package screens

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"fyne.io/fyne/v2"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/logkey"
	"fountain/touchui/display"
	"fountain/touchui/input"
	"fountain/touchui/kiosk"
	"fountain/touchui/sheet"
	"fountain/touchui/speech"
	"fountain/touchui/theme"
	"fountain/touchui/words"
)

// Stage is the screen the pages stand on; *kiosk.App is it.
type Stage interface {
	SetContent(fyne.CanvasObject)
	Do(func())
	Every(time.Duration, func()) (stop func())
	Touching() bool
	LastTouch() time.Time
	CancelTouches()
	InputLost() bool
	OnLost(func()) (stop func())
	Assist
}

// Assist is what of the stage serves people who drive it by keys, or listen to it.
type Assist interface {
	OnKey(func(input.Key) bool)
	OnFocus(func(display.Element))
	Press(id string) bool
	Elements() []display.Element
	SetRightToLeft(bool)
	SetRing(ring, inside color.Color)
}

// Talker says what the screen shows; *speech.Speaker is it.
type Talker interface {
	Use(device string) // audio device; "" is silence
	On() bool
	Say(tag, text string) // instead of what is being said
}

var _ Talker = (*speech.Speaker)(nil)

var _ Stage = (*kiosk.App)(nil)

// Config says what the UI runs on.
type Config struct {
	Stage  Stage
	Client *api.Client
	Width  int
	Height int
	Log    *slog.Logger // nil: discard
	Bytes  int          // budget of composed pictures; 0 = 16 MiB

	// Service makes the technician's screens; leave goes back to the consumer's. nil: there are none. Fyne thread.
	Service func(l *sheet.Look, leave func()) Service
	PPMM    float64 // panel pixels per millimetre; 0 = as drawn
	Still   bool    // reduced motion: what changes is cut, not moved

	// Languages is a directory with further languages and fonts (touchui/words, touchui/theme); "" or none there: only
	// those that come with the program.
	Languages string
	Assets    Assets // composed tiles kept between starts
	Speech    Talker // nil: silent
}

const defaultBytes = 16 << 20 // about 55 tiles; one takes 1.2 ms to compose again

// UI is the consumer's screens.
type UI struct {
	*sheet.Look

	stage  Stage
	client *api.Client
	log    *slog.Logger
	wg     sync.WaitGroup

	cat    *beverage.Catalogue
	snap   api.Snapshot
	menu   *Menu
	page   page
	pour   pourer
	idle   Idle
	moving *fyne.Animation // the level that travels from the page before; nil: none
	cut    bool            // pages follow each other without motion
	veiled bool            // the page lies under the veil of a screen that is about to forget
	filter Filter
	cups   []Cup
	cup    int
	tap    bool    // tap instead of hold
	reach  bool    // controls stand low
	mix    *mixing // of this visit; nil: nothing was mixed
	speech Talker
	said   speech.Narrator
	now    func() time.Time
	packs  packs
	styles styles

	service func(*sheet.Look, func()) Service // nil: there are none

	known string // catalogue the event stream has fetched; only Run's goroutine
}

// page is one screen. update is called when the menu or the snapshot changed.
type page interface {
	name() string
	content() fyne.CanvasObject
	update(menuChanged bool)
	again() page // the same page drawn anew, with what was chosen on it
}

// leaver is a page that has something to end when it is not shown any more.
type leaver interface{ left() }

// Service is what stands in for the consumer's screens while a technician works; touchui/service is it.
type Service interface {
	Name() string // of the page shown, for logs and tests
	Content() fyne.CanvasObject
	Update(api.Snapshot) // every snapshot while it is shown
	Close()              // it is not shown any more
}

// New makes the UI and shows the starting page.
func New(cfg Config) (*UI, error) {
	if cfg.Stage == nil || cfg.Client == nil || cfg.Width <= 0 || cfg.Height <= 0 {
		return nil, errors.New("make screens: stage, client and size are needed")
	}
	library, err := words.OpenDir(cfg.Languages, cfg.Log)
	if err != nil {
		return nil, fmt.Errorf("make screens: %w", err)
	}
	book, err := library.Open(words.English)
	if err != nil {
		return nil, fmt.Errorf("make screens: %w", err)
	}
	f, err := theme.LoadFontsWith(cfg.Languages)
	if err != nil {
		return nil, fmt.Errorf("make screens: %w", err)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = defaultBytes
	}
	u := &UI{
		Look:  sheet.New(sheet.NewGeo(cfg.Width, cfg.Height, cfg.PPMM), f, book, cfg.Bytes),
		stage: cfg.Stage, client: cfg.Client, log: cfg.Log, filter: FilterAll, cup: 1, now: time.Now,
	}
	u.pour = pourer{stage: cfg.Stage, agent: cfg.Client, log: cfg.Log, group: u.wg.Go, changed: u.poured, quit: make(chan struct{})}
	u.packs.assets, u.packs.shelf.Dir = cfg.Assets, cfg.Assets.Dir
	u.service, u.Still = cfg.Service, cfg.Still
	u.speech = cfg.Speech
	if u.speech == nil {
		u.speech = speech.NewSpeaker(nil, nil) // has no device, so it never speaks
	}
	u.stage.OnLost(func() { u.pour.release(true) }) // a portion goes on without a finger
	u.stage.OnKey(u.keyed)
	u.stage.OnFocus(u.focused)
	u.snap = api.Snapshot{Unit: api.UnitStarting}
	u.cups = cupsOf(nil)
	u.show(newOutage(u))
	return u, nil
}

// Run follows the agent until ctx ends, stops what still pours, and waits for every call it started. Any goroutine; once.
func (u *UI) Run(ctx context.Context) error {
	u.stage.Do(func() { u.stage.Every(time.Second, u.tick) })
	err := u.client.Events(ctx, func(s api.Snapshot) error {
		return u.follow(ctx, s)
	}, func(err error) {
		u.stage.Do(func() {
			if u.snap.Reason != agentAway {
				u.log.Info("agent is away", slog.Any(logkey.Err, err))
			}
			s := u.snap
			s.Unit, s.Reason, s.Pour, s.Cup = api.UnitOutOfOrder, agentAway, nil, false
			if u.cat == nil {
				s.Unit = api.UnitStarting
			}
			u.take(nil, s)
		})
	})
	close(u.pour.quit)
	u.wg.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// follow runs on the event stream's goroutine.
func (u *UI) follow(ctx context.Context, s api.Snapshot) error {
	var cat *beverage.Catalogue
	if u.known == "" || s.Catalogue != "" && s.Catalogue != u.known {
		c, err := u.client.Catalogue(ctx)
		if err != nil {
			u.log.Warn("fetch catalogue", slog.Any(logkey.Err, err)) // the next snapshot tries again
			return nil
		}
		cat = c
		u.known = s.Catalogue
		if u.known == "" {
			u.known = c.Digest
		}
	}
	u.stage.Do(func() { u.take(cat, s) })
	return nil
}

// take shows a snapshot.
func (u *UI) take(cat *beverage.Catalogue, s api.Snapshot) {
	changed := cat != nil || u.menu == nil || !maps.Equal(s.Blocked, u.snap.Blocked) || !slices.Equal(s.Favourites, u.snap.Favourites) ||
		s.Mixes != u.snap.Mixes || s.Phone != u.snap.Phone || !slices.Equal(s.Languages, u.snap.Languages)
	if cat != nil {
		u.cat = cat
	}
	was := u.snap
	u.snap = s
	if !slices.Equal(s.Sizes, was.Sizes) && len(s.Sizes) > 0 {
		u.cups = cupsOf(s.Sizes)
		u.cup = usual(u.cups)
		changed = true
	}
	u.pour.heard(s)
	u.speech.Use(s.Speech)
	defer u.narrate()
	u.speak()
	if u.cat == nil {
		u.page.update(true)
		return
	}
	if changed {
		hadFizz := u.menu == nil || u.menu.Fizz()
		u.menu = NewMenu(u.cat, s)
		if hadFizz && !u.menu.Fizz() {
			u.lostFizz()
		}
	}
	if p, ok := u.page.(*servicePage); ok {
		p.svc.Update(s)
		return
	}
	switch down := s.Unit == api.UnitOutOfOrder || s.Unit == api.UnitStarting; {
	case down && !isPage[*outagePage](u.page):
		if u.pour.active() { // the pour page says how it ended; the outage comes after
			u.pour.release(s.Reason == agentAway)
			u.page.update(changed)
			return
		}
		u.show(newOutage(u))
	case !down && isPage[*outagePage](u.page):
		u.afterOutage()
	default:
		u.page.update(changed || was.Reason != s.Reason)
	}
}

func isPage[T page](p page) bool { _, ok := p.(T); return ok }

// lostFizz tells people who are choosing; who is on a page of a still beverage is left alone.
func (u *UI) lostFizz() {
	switch u.page.(type) {
	case *homePage, *attractPage:
		u.show(newNoFizz(u))
	}
}

// poured is called when the pour's state changed.
func (u *UI) poured() {
	defer u.narrate()
	u.packBusy()
	u.page.update(false)
	if !u.pour.active() && u.pour.ended != nil && u.snap.Unit == api.UnitOutOfOrder && !isPage[*outagePage](u.page) && !isPage[*servicePage](u.page) {
		u.show(newOutage(u))
	}
}

// show changes the page. Whatever pours stops; fingers on the old page are lost. A page is shown once.
func (u *UI) show(p page) {
	old := u.page
	u.page = p // before release, which tells the page of it
	u.veiled = false
	if old != nil {
		u.pour.release(false)
		u.stage.CancelTouches()
	}
	u.stage.SetRightToLeft(u.RTL())
	u.stage.SetRing(u.Roles.Focus, u.Roles.BG)
	u.settle()
	u.place(old, p)
	if old == nil {
		return
	}
	defer u.narrate()
	if l, ok := old.(leaver); ok {
		l.left()
	}
	sheet.Forget(old.content())
}

// Restyle changes how everything looks or speaks and draws the page again. It does nothing while a pour is active.
func (u *UI) Restyle(change func(*sheet.Look)) {
	if u.pour.active() || isPage[*servicePage](u.page) {
		return
	}
	change(u.Look)
	was := u.cut
	u.cut = true // it is the same page
	u.show(u.page.again())
	u.cut = was
}

func (u *UI) goHome() {
	if u.menu != nil && !u.menu.Fizz() && isPage[*attractPage](u.page) {
		u.show(newNoFizz(u))
		return
	}
	if u.reach {
		u.show(newReach(u))
		return
	}
	u.show(newHome(u))
}

// open shows a beverage, or what to have instead.
func (u *UI) open(id beverage.ID) {
	o, ok := u.menu.Offer(id)
	switch {
	case !ok:
		return
	case o.Pourable() && u.reach:
		u.show(newReachOf(u, o))
	case o.Pourable():
		u.show(newPourPage(u, o))
	case o.Why == whyNoFizz:
		u.show(newNoFizz(u))
	default:
		u.show(newSoldOut(u, o))
	}
}

// reset forgets what the last person chose.
func (u *UI) reset() {
	u.filter, u.tap, u.cup, u.reach, u.mix = FilterAll, false, usual(u.cups), false, nil
	u.plain()
}

// Page names what is shown, for logs and tests: starting, home, brand, beverage, pouring, done, sold_out, no_fizz,
// out_of_order or attract.
func (u *UI) Page() string { return u.page.name() }
