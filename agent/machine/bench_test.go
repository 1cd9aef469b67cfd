package machine

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/guard"
	"fountain/agent/pour"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/hal/sim"
)

// cable carries beats between the machine and a real guard.Guard in the same process.
type cable struct {
	mu     sync.Mutex
	up     []beat.Packet
	down   []beat.Reply
	state  int // 0 nobody, 1 connected but not reported, 2 reported, 3 lost but not reported
	silent bool
	dead   bool
	last   beat.Packet
}

var errNoGuard = errors.New("no guard")

func (w *cable) Send(p beat.Packet) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errNoGuard
	}
	if w.state == 0 {
		w.state = 1
	}
	w.up = append(w.up, p)
	w.last = p
	return nil
}

func (w *cable) Poll() (beat.Reply, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return beat.Reply{}, false, errNoGuard
	}
	if len(w.down) == 0 || w.silent {
		return beat.Reply{}, false, nil
	}
	r := w.down[0]
	w.down = append(w.down[:0], w.down[1:]...)
	return r, true, nil
}

func (w *cable) Next() (beat.Event, beat.Packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.state == 1:
		w.state = 2
		return beat.Connected, beat.Packet{}
	case w.state == 3:
		w.state = 0
		return beat.Lost, beat.Packet{}
	case len(w.up) == 0:
		return beat.Nothing, beat.Packet{}
	}
	p := w.up[0]
	w.up = append(w.up[:0], w.up[1:]...)
	return beat.Beaten, p
}

func (w *cable) Reply(r beat.Reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = append(w.down, r)
}

func (w *cable) Drop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state, w.up = 0, nil
}

// beat is the newest packet.
func (w *cable) beat() beat.Packet {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

func (w *cable) set(f func(*cable)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w)
}

type nowhere struct{}

func (nowhere) Put(*beat.Last) {}

// book is a journal in memory; delay makes it as slow as a disk.
type book struct {
	mu      sync.Mutex
	delay   time.Duration
	refuse  error
	deaf    bool
	begun   []Intent
	results []Result
}

func (b *book) Begin(in Intent, done func(error)) {
	b.mu.Lock()
	b.begun = append(b.begun, in)
	err, deaf := b.refuse, b.deaf
	b.mu.Unlock()
	if !deaf {
		time.AfterFunc(b.delay, func() { done(err) })
	}
}

func (b *book) Commit(r Result, done func(uint64, error)) {
	b.mu.Lock()
	b.results = append(b.results, r)
	seq := uint64(len(b.results))
	b.mu.Unlock()
	time.AfterFunc(b.delay, func() { done(seq, nil) })
}

func (b *book) last(t *testing.T) Result {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.results) == 0 {
		t.Fatal("nothing was recorded")
	}
	return b.results[len(b.results)-1]
}

func (b *book) count() (intents, results int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.begun), len(b.results)
}

// shelf is a stock that believes every planogram slot is full.
type shelf struct {
	mu    sync.Mutex
	slots map[beverage.IngredientID][]string
	empty []string
}

func (s *shelf) Source(ing beverage.IngredientID, _ int64) (recipe.Source, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.slots[ing]) == 0 {
		return recipe.Source{}, false
	}
	slot := s.slots[ing][0]
	return recipe.Source{Slot: slot, Cartridge: "cart-" + slot}, true
}

// Sources lists every slot of an ingredient.
func (s *shelf) Sources(ing beverage.IngredientID, _ int64) (out []recipe.Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, slot := range s.slots[ing] {
		out = append(out, recipe.Source{Slot: slot, Cartridge: "cart-" + slot})
	}
	return out
}

func (s *shelf) SetEmpty(slot string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.empty = append(s.empty, slot)
}

// stalling is a pacer that can oversleep once, as SIGSTOP and SIGCONT make it.
type stalling struct {
	hal.Pacer
	extra atomic.Int64
}

func (p *stalling) SleepUntil(t time.Duration) {
	p.Pacer.SleepUntil(t + time.Duration(p.extra.Swap(0)))
}

// unit is a whole machine on a plant, with a real guard, in a synctest bubble.
type unit struct {
	t         *testing.T
	plant     *sim.Plant
	catalogue *beverage.Catalogue
	plano     *beverage.Planogram
	m         *Machine
	wire      *cable
	book      *book
	shelf     *shelf
	pacer     *stalling
	stop      context.CancelFunc
	done      chan error
	powerless bool // the power was cut: guard and machine may have given up
}

// catalogues are read once: parsing and checking takes longer than a pour's simulation.
var catalogues = sync.OnceValues(func() (*beverage.Catalogue, error) { return beverage.Default() })

func newUnit(t *testing.T, cfg sim.Config, options ...option) *unit {
	t.Helper()
	c, err := catalogues()
	if err != nil {
		t.Fatal(err)
	}
	pl, err := beverage.LoadPlanogram("", c)
	if err != nil {
		t.Fatal(err)
	}
	u := &unit{t: t, catalogue: c, plano: pl, wire: &cable{}, book: &book{delay: 3 * time.Millisecond}, shelf: &shelf{slots: map[beverage.IngredientID][]string{}}, done: make(chan error, 2)}
	for _, s := range pl.Slots {
		cfg.Cartridges = append(cfg.Cartridges, sim.Cartridge{Slot: s.Slot, Ingredient: string(s.Ingredient), VolumeUL: 20_000_000})
		u.shelf.slots[s.Ingredient] = append(u.shelf.slots[s.Ingredient], s.Slot)
	}
	if u.plant, err = sim.NewPlant(cfg); err != nil {
		t.Fatal(err)
	}
	u.pacer = &stalling{Pacer: u.plant.Pacer()}
	grig, err := u.plant.Open(hal.OwnerGuard)
	if err != nil {
		t.Fatal(err)
	}
	arig, err := u.plant.Open(hal.OwnerAgent)
	if err != nil {
		t.Fatal(err)
	}
	g, err := guard.New(guard.Deps{Rig: grig, Pacer: u.plant.Pacer(), Beats: u.wire, Memory: nowhere{}, Log: quiet()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	mcfg, deps := Config{}, Deps{
		Rig: arig, Pacer: u.pacer, Guard: u.wire, Journal: u.book, Stock: u.shelf, Catalogue: c, Planogram: pl, Log: quiet(),
	}
	for _, o := range options {
		o(u, &mcfg, &deps)
	}
	u.m, err = New(mcfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.stop = cancel
	go func() { u.done <- g.Run(ctx) }()
	go func() { u.done <- u.m.Run(ctx) }()
	u.wait("the unit is ready", time.Second, func() bool { return u.m.State().Fault == "" })
	return u
}

func quiet() *slog.Logger {
	if os.Getenv("MACHINE_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.NewTextHandler(io.Discard, nil))
}

// close stops the unit and checks what must hold after every test: every valve is shut, no water flows.
func (u *unit) close() {
	u.t.Helper()
	u.stop()
	for range 2 {
		if err := <-u.done; err != nil && !u.powerless {
			u.t.Errorf("run: %v", err)
		}
	}
	time.Sleep(300 * time.Millisecond)
	for _, v := range u.plant.State().Valves {
		if v.Commanded {
			u.t.Errorf("valve %s is left open", v.ID)
		}
	}
	if b, c := u.book.count(); b != c && !u.book.deaf && u.book.refuse == nil {
		u.t.Errorf("%d intents, %d results", b, c)
	}
}

// wait polls until cond holds.
func (u *unit) wait(what string, limit time.Duration, cond func() bool) {
	u.t.Helper()
	for end := u.plant.Now() + limit; !cond(); {
		if u.plant.Now() > end {
			u.t.Fatalf("waited %v: %s; state %+v", limit, what, u.m.State())
		}
		time.Sleep(time.Millisecond)
	}
}

// hold beats for a pour until the returned function is called.
func (u *unit) hold(id string) (letGo func()) {
	quit := make(chan struct{})
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case <-quit:
				return
			case <-time.After(100 * time.Millisecond):
				_ = u.m.Beat(id) // it may have ended
			}
		}
	}()
	return sync.OnceFunc(func() { close(quit); <-gone })
}

func (u *unit) start(bev beverage.ID, ml float64, hold bool) string {
	u.t.Helper()
	id, err := u.m.Start(context.Background(), StartRequest{Beverage: bev, TargetUL: int64(ml * 1000), Hold: hold, Source: "touch"})
	if err != nil {
		u.t.Fatalf("start %s: %v", bev, err)
	}
	return id
}

func (u *unit) phase(p pour.Phase) func() bool {
	return func() bool { return u.m.State().Phase >= p }
}

// recorded waits for the result of the pour.
func (u *unit) recorded(id string) Result {
	u.t.Helper()
	u.wait("the pour is recorded", 70*time.Second, func() bool {
		s := u.m.State()
		return s.Pour == id && s.Seq > 0
	})
	r := u.book.last(u.t)
	if r.Intent.Pour != id {
		u.t.Fatalf("recorded %s, want %s", r.Intent.Pour, id)
	}
	return r
}

// pour runs one pour to its end in a new cup.
func (u *unit) pour(bev beverage.ID, ml float64) Result {
	u.t.Helper()
	u.plant.NewCup()
	id := u.start(bev, ml, false)
	letGo := u.hold(id)
	defer letGo()
	return u.recorded(id)
}

func (u *unit) cupUL() (sum int64, parts map[string]int64) {
	parts = u.plant.CupUL()
	for _, v := range parts {
		sum += v
	}
	return sum, parts
}

// option changes what a unit is made of.
type option func(*unit, *Config, *Deps)

// bubble runs f with a unit in virtual time.
func bubble(t *testing.T, cfg sim.Config, f func(t *testing.T, u *unit), options ...option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u := newUnit(t, cfg, options...)
		defer u.close()
		f(t, u)
	})
}

// rich is a beverage with sugar and several micro-ingredients.
func rich(u *unit) beverage.ID {
	for _, b := range u.catalogue.Brands {
		for i := range b.Beverages {
			v := &b.Beverages[i]
			if len(v.Recipe.Parts) >= 4 && len(u.catalogue.Missing(v, u.plano)) == 0 && v.Recipe.Parts[1].Ingredient == "syrup.sugar" {
				return v.ID
			}
		}
	}
	u.t.Fatal("the planogram has no rich beverage")
	return ""
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if d := got - want; d > tolerance || d < -tolerance {
		t.Errorf("%s: %.2f, want %.2f ± %.2f", what, got, want, tolerance)
	}
}

func isProblem(err error, code string) bool {
	return err != nil && strings.Contains(codeOf(err), code)
}
