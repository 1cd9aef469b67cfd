package bench

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/beat"
	"fountain/agent/beverage"
	"fountain/agent/guard"
	"fountain/agent/machine"
	"fountain/agent/recipe"
	"fountain/hal"
	"fountain/hal/sim"
	"fountain/sync/wire"
)

// link is the beat between machine and guard in one process. It is also the guard's memory.
type link struct {
	mu    sync.Mutex
	up    []beat.Packet
	down  []beat.Reply
	met   bool
	mute  bool // beats are lost on the way to the guard
	saved beat.Last
}

func (l *link) locked(f func()) { l.mu.Lock(); defer l.mu.Unlock(); f() }

func (l *link) Send(p beat.Packet) error {
	l.locked(func() {
		if !l.mute {
			l.up = append(l.up, p)
		}
	})
	return nil
}

func (l *link) Poll() (r beat.Reply, ok bool, _ error) {
	l.locked(func() {
		if ok = len(l.down) > 0; ok {
			r, l.down = l.down[0], l.down[1:]
		}
	})
	return r, ok, nil
}

func (l *link) Next() (e beat.Event, p beat.Packet) {
	l.locked(func() {
		switch {
		case !l.met:
			l.met, e = true, beat.Connected
		case len(l.up) > 0:
			e, p, l.up = beat.Beaten, l.up[0], l.up[1:]
		}
	})
	return e, p
}

func (l *link) Reply(r beat.Reply)    { l.locked(func() { l.down = append(l.down, r) }) }
func (l *link) Drop()                 { l.locked(func() { l.up, l.met = nil, false }) }
func (l *link) Put(b *beat.Last)      { l.locked(func() { l.saved = *b }) }
func (l *link) last() (out beat.Last) { l.locked(func() { out = l.saved }); return out }
func (l *link) silence(on bool)       { l.locked(func() { l.mute = on }) }
func (j *journal) locked(f func())    { j.mu.Lock(); defer j.mu.Unlock(); f() }
func (j *journal) last() machine.Result {
	var r machine.Result
	j.locked(func() { r = j.result })
	return r
}

// journal answers as fast as a good disk.
type journal struct {
	mu     sync.Mutex
	result machine.Result
	seq    uint64
}

func (*journal) Begin(_ machine.Intent, done func(error)) {
	time.AfterFunc(3*time.Millisecond, func() { done(nil) })
}

func (j *journal) Commit(r machine.Result, done func(uint64, error)) {
	var seq uint64
	j.locked(func() { j.seq++; j.result, seq = r, j.seq })
	time.AfterFunc(3*time.Millisecond, func() { done(seq, nil) })
}

// shelf holds what the planogram says, always full.
type shelf struct{ plano *beverage.Planogram }

func (s shelf) Source(ing beverage.IngredientID, _ int64) (recipe.Source, bool) {
	for _, sl := range s.plano.Slots {
		if sl.Ingredient == ing {
			return recipe.Source{Slot: sl.Slot, Cartridge: "cart-" + sl.Slot}, true
		}
	}
	return recipe.Source{}, false
}

func (shelf) SetEmpty(string) {}

// menu is the default catalogue on the demo planogram.
type menu struct {
	catalogue *beverage.Catalogue
	plano     *beverage.Planogram
	drinks    []*beverage.Beverage // what it can pour
}

var loadMenu = sync.OnceValues(func() (*menu, error) {
	c, err := beverage.Default()
	if err != nil {
		return nil, err
	}
	p, err := beverage.LoadPlanogram("", c)
	if err != nil {
		return nil, err
	}
	m := &menu{catalogue: c, plano: p}
	for i := range c.Brands {
		for j := range c.Brands[i].Beverages {
			if v := &c.Brands[i].Beverages[j]; len(c.Missing(v, p)) == 0 {
				m.drinks = append(m.drinks, v)
			}
		}
	}
	return m, nil
})

func theMenu(t *testing.T) *menu {
	t.Helper()
	m, err := loadMenu()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// newPlant is a simulated machine with every slot of the planogram filled, opened by both owners.
func newPlant(t *testing.T, cfg sim.Config) (p *sim.Plant, guardRig, agentRig hal.Rig) {
	t.Helper()
	for _, s := range theMenu(t).plano.Slots {
		cfg.Cartridges = append(cfg.Cartridges, sim.Cartridge{Slot: s.Slot, Ingredient: string(s.Ingredient), VolumeUL: 50_000_000})
	}
	p, err := sim.NewPlant(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if guardRig, err = p.Open(hal.OwnerGuard); err != nil {
		t.Fatal(err)
	}
	if agentRig, err = p.Open(hal.OwnerAgent); err != nil {
		t.Fatal(err)
	}
	return p, guardRig, agentRig
}

// unit is the real machine and the real guard on a simulated plant.
type unit struct {
	*menu
	t       *testing.T
	plant   *sim.Plant
	machine *machine.Machine
	link    *link
	journal *journal
}

// openAtEnd counts over the whole run: units, and valves that were still open when a unit had stopped.
var openAtEnd struct{ units, valves int }

// virtual runs f with a unit in virtual time.
func virtual(t *testing.T, cfg sim.Config, f func(*unit)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u := &unit{menu: theMenu(t), t: t, link: &link{}, journal: &journal{}}
		var grig, arig hal.Rig
		u.plant, grig, arig = newPlant(t, cfg)
		quiet := slog.New(slog.DiscardHandler)
		g, err := guard.New(guard.Deps{Rig: grig, Pacer: u.plant.Pacer(), Beats: u.link, Memory: u.link, Log: quiet}, 0)
		if err != nil {
			t.Fatal(err)
		}
		u.machine, err = machine.New(machine.Config{}, machine.Deps{
			Rig: arig, Pacer: u.plant.Pacer(), Guard: u.link, Journal: u.journal, Stock: shelf{u.plano},
			Catalogue: u.catalogue, Planogram: u.plano, Log: quiet,
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- g.Run(ctx) }()
		go func() { done <- u.machine.Run(ctx) }()
		u.wait("the unit is ready", time.Second, func() bool { return u.machine.State().Fault == "" })
		f(u)
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		time.Sleep(300 * time.Millisecond)
		openAtEnd.units++
		for _, v := range u.plant.State().Valves {
			if v.Commanded || v.Open {
				openAtEnd.valves++
			}
		}
	})
}

func (u *unit) wait(what string, limit time.Duration, cond func() bool) {
	u.t.Helper()
	for end := u.plant.Now() + limit; !cond(); time.Sleep(time.Millisecond) {
		if u.plant.Now() > end {
			u.t.Fatalf("waited %v until %s: %+v", limit, what, u.machine.State())
		}
	}
}

// start begins a pour in a new cup and beats for it until letGo is called.
func (u *unit) start(v *beverage.Beverage, ul int64, hold bool) (id string, letGo func()) {
	u.t.Helper()
	u.plant.NewCup()
	id, err := u.machine.Start(u.t.Context(), machine.StartRequest{Beverage: v.ID, TargetUL: ul, Hold: hold, Source: wire.SourceTouch})
	if err != nil {
		u.t.Fatalf("start %s: %v", v.ID, err)
	}
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-quit:
				return
			case <-time.After(100 * time.Millisecond):
				_ = u.machine.Beat(id) // it may have ended
			}
		}
	})
	return id, func() { close(quit); wg.Wait() }
}

// recorded waits for the pour's result.
func (u *unit) recorded(id string) machine.Result {
	u.t.Helper()
	u.wait("the pour is recorded", 70*time.Second, func() bool { s := u.machine.State(); return s.Pour == id && s.Seq > 0 })
	return u.journal.last()
}

// pour runs one portion to its end.
func (u *unit) pour(v *beverage.Beverage, ul int64) machine.Result {
	u.t.Helper()
	id, letGo := u.start(v, ul, false)
	defer letGo()
	r := u.recorded(id)
	if r.Outcome != wire.Completed {
		u.t.Fatalf("%s: %s %s", v.ID, r.Outcome, r.Reason)
	}
	return r
}

// commission pours five drinks a carrier, so that the close lags are learned.
func (u *unit) commission() {
	for _, carrier := range []string{"still", "sparkling"} {
		for _, v := range u.drinks {
			if v.Recipe.Carrier == carrier {
				for range 5 {
					u.pour(v, 150_000)
				}
				break
			}
		}
	}
}

func total(cup map[string]int64) (ul int64) {
	for _, v := range cup {
		ul += v
	}
	return ul
}
