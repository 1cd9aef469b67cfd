package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/inventory"
	"fountain/agent/machine"
	"fountain/agent/record"
	"fountain/hal"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

// Timing of the tags.
const (
	slotTick    = 250 * time.Millisecond // between two batches of readings
	slotEvery   = 2 * time.Second        // every slot was read once in so long
	slotHurry   = 10 * time.Second       // after the door was shut: every batch is all of them
	tagTimeout  = 2 * time.Second        // of one tag
	tagPatience = 5 * time.Second        // for the first reading of all of them: then the unit pours by what it knew
)

// cartridges reads the tags of all cartridge slots, again and again on one goroutine: reading one may block, so it is no
// work for the control loop. While a pour is active it reads only the slots the drink may come from, so that a pulled
// cartridge is noticed soon and the bus is free.
//
//	hal.CartridgeSlot.Tag ──► sight ──► Book (levels) ──► judgeSlot ──► alarms ──► bars
//	                             └─────────────────────────────────────► machine.SlotChanged
//
// The id of a tag is the cartridge's identity. State it owns: the sights; run is the only one to read tags.
type cartridges struct {
	a      *Agent
	cfg    config.Stock
	owned  []alarm.Name
	slots  map[string]hal.CartridgeSlot
	order  []beverage.Slot
	asks   chan tagAsk
	worth  map[beverage.IngredientID]int64 // largest need of one serving, µL
	now    func() time.Time
	sure   func() bool      // the clock was set
	atMost func() time.Time // it is at least so late

	next   int  // of the round
	unseen bool // something was read that no screen has seen
	told   map[string]machine.SlotState

	judging sync.Mutex // one judgement at a time: what is so now is what is told last

	mu     sync.Mutex
	sights map[string]sight
	states map[string]verdict
}

// tagAsk wants a slot to be read now.
type tagAsk struct {
	slot   string
	answer chan error // capacity 1: what the reading said
}

var _ apiserver.Cartridges = (*cartridges)(nil)

func newCartridges(a *Agent) (*cartridges, error) {
	c := &cartridges{
		a: a, cfg: a.cfg.Config.Stock, owned: alarm.RaisedBy("agent/cartridges_judge.go"), slots: map[string]hal.CartridgeSlot{}, order: a.planogram.Slots, asks: make(chan tagAsk),
		worth: a.menu.servings(), now: time.Now, sure: func() bool { return sure(clockQuality()) }, atMost: a.lastTrusted,
		told: map[string]machine.SlotState{}, sights: map[string]sight{}, states: map[string]verdict{},
	}
	if c.cfg == (config.Stock{}) {
		c.cfg = config.DefaultStock()
	}
	for _, s := range c.order {
		slot, err := a.deps.Rig.Slot(s.Slot)
		if err != nil {
			return nil, fmt.Errorf("open cartridge slot %s: %w", s.Slot, err)
		}
		c.slots[s.Slot] = slot
	}
	return c, nil
}

// lastTrusted is the last moment the unit knew for sure; zero when it never did.
func (a *Agent) lastTrusted() time.Time {
	b, ok, err := a.store.Setting(settingClock)
	if err != nil || !ok {
		return time.Time{}
	}
	s, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

// run reads tags until ctx ends.
func (c *cartridges) run(ctx context.Context) error {
	for _, s := range c.order { // once all of them: until then the unit is starting
		if c.read(ctx, s) != nil && ctx.Err() != nil {
			return nil
		}
	}
	c.judge()
	c.a.stocked.Store(true)
	c.unseen = true
	c.show()
	tick := time.NewTicker(slotTick)
	defer tick.Stop()
	var hurry time.Time
	door := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case q := <-c.asks:
			q.answer <- c.read(ctx, c.slot(q.slot))
			c.judge()
			continue
		case <-tick.C:
		}
		st := c.a.machine.State()
		if open := st.Interlocks&hal.Door != 0; open != door {
			if door = open; !open {
				hurry = time.Now().Add(slotHurry)
			}
		}
		for _, s := range c.batch(st, time.Now().Before(hurry)) {
			if c.read(ctx, s) != nil && ctx.Err() != nil {
				return nil
			}
		}
		c.judge()
	}
}

// batch lists the slots to read now.
func (c *cartridges) batch(st machine.State, hurry bool) []beverage.Slot {
	if st.Phase.Active() {
		needs := c.a.menu.needs(st.Beverage, st.Mix)
		return slices.DeleteFunc(slices.Clone(c.order), func(s beverage.Slot) bool { return needs[s.Ingredient] == 0 })
	}
	n := len(c.order)
	if n == 0 || hurry {
		return c.order
	}
	size := (n*int(slotTick) + int(slotEvery) - 1) / int(slotEvery)
	out := make([]beverage.Slot, 0, size)
	for range min(size, n) {
		out = append(out, c.order[c.next%n])
		c.next = (c.next + 1) % n
	}
	return out
}

func (c *cartridges) slot(id string) beverage.Slot {
	i := slices.IndexFunc(c.order, func(s beverage.Slot) bool { return s.Slot == id })
	return c.order[i]
}

// read reads one tag and takes in what it tells, at once where a pour may depend on it.
func (c *cartridges) read(ctx context.Context, s beverage.Slot) error {
	tctx, cancel := context.WithTimeout(ctx, tagTimeout)
	tag, err := c.slots[s.Slot].Tag(tctx)
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	defer c.show()
	c.mu.Lock()
	seen := c.sights[s.Slot]
	news := seen.take(tag, err, int64(s.VolumeML*1000))
	c.sights[s.Slot] = seen
	c.mu.Unlock()
	if !news {
		return err
	}
	book := c.a.book
	switch {
	case errors.Is(err, hal.ErrNoReader): // what a person registered stays
	case err != nil, seen.claims:
		book.Remove(s.Slot)
	default:
		in := inventory.Cartridge{
			ID: tag.ID, Holds: beverage.IngredientID(tag.Ingredient), LeftUL: tag.VolumeUL, Expires: tag.Expires, Lot: tag.Lot,
		}
		if perr := book.Put(s.Slot, in); perr != nil {
			c.a.log.Warn("insert cartridge", slog.String(logkey.Line, s.Slot), slog.Any(logkey.Err, perr))
		}
	}
	c.judgeOne(s.Slot) // first: a pour that draws from here ends now
	c.unseen = true
	return err
}

// show lets the screens see what was read: once for all while the unit is starting and offers nothing.
func (c *cartridges) show() {
	if c.unseen && (c.a.stocked.Load() || time.Since(c.a.started) >= tagPatience) {
		c.unseen = false
		c.a.stockChanged()
	}
}

// judge says anew what is to be thought of every slot, and tells the board and the machine.
func (c *cartridges) judge() {
	c.judging.Lock()
	defer c.judging.Unlock()
	var want []alarm.Alarm
	levels := c.a.book.Levels()
	view := clockView{now: c.now(), sure: c.sure(), atMost: c.atMost()}
	left := map[beverage.IngredientID]int64{} // liquid that may be used, also of a slot whose pump does not answer
	for _, l := range levels {
		if gone, _ := view.expired(l.Expires); !gone {
			left[l.Ingredient] += l.LeftUL
		}
	}
	for _, l := range levels {
		servings := -1
		if need := c.worth[l.Ingredient]; need > 0 {
			servings = int(left[l.Ingredient] / need)
		}
		v := c.verdict(l, view, servings)
		want = append(want, v.alarms...)
		c.tell(l.Slot, v.state)
	}
	c.a.board.Keep(c.owned, want)
}

func (c *cartridges) judgeOne(slot string) {
	c.judging.Lock()
	defer c.judging.Unlock()
	l, _ := c.a.book.Level(slot)
	c.tell(slot, c.verdict(l, clockView{now: c.now(), sure: c.sure(), atMost: c.atMost()}, -1).state)
}

func (c *cartridges) verdict(l inventory.Level, view clockView, servings int) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := judgeSlot(l, c.sights[l.Slot], view, c.cfg, servings)
	c.states[l.Slot] = v
	return v
}

// tell passes on to the machine what must not be drawn from.
func (c *cartridges) tell(slot, state string) {
	s := machine.SlotOK
	switch state {
	case slotAbsent:
		s = machine.SlotPulled
	case slotWrong, slotForeign, slotExpired:
		s = machine.SlotBarred
	}
	c.mu.Lock()
	old, told := c.told[slot]
	c.told[slot] = s
	c.mu.Unlock()
	if !told || old != s {
		c.a.machine.SlotChanged(slot, s)
	}
}

// List says what sits in every slot of the planogram.
func (c *cartridges) List(context.Context) ([]api.Cartridge, error) {
	levels := c.a.book.Levels()
	out := make([]api.Cartridge, len(levels))
	for i, l := range levels {
		out[i] = c.row(l)
	}
	return out, nil
}

func (c *cartridges) row(l inventory.Level) api.Cartridge {
	c.mu.Lock()
	v, s := c.states[l.Slot], c.sights[l.Slot]
	c.mu.Unlock()
	row := api.Cartridge{
		Slot: l.Slot, Ingredient: string(l.Ingredient), Tag: l.Cartridge, LeftUL: l.LeftUL, State: v.state, Remedy: v.remedy,
	}
	switch {
	case l.Foreign != "":
		row.Contents = string(l.Foreign)
	case l.Cartridge != "":
		row.Contents = string(l.Ingredient)
	case s.claims:
		row.Tag, row.Contents = s.tag.ID, s.tag.Ingredient
	}
	if !l.Expires.IsZero() {
		row.Expires = &l.Expires
	}
	return row
}

// Change takes in what a person did: the slot is read now, and the tag is believed before the person. A slot without a
// reader takes the person's word.
func (c *cartridges) Change(ctx context.Context, slot string, ch api.CartridgeChange) (api.Cartridge, error) {
	if _, ok := c.slots[slot]; !ok {
		return api.Cartridge{}, &problem.Problem{
			Code: problem.CodeNotFound, Where: slot, What: "there is no such cartridge slot in the planogram", Remedy: "see fountainctl cartridge",
		}
	}
	if ch.Action != changeInserted && ch.Action != changeRemoved {
		return api.Cartridge{}, &problem.Problem{
			Code: problem.CodeBadRequest, Where: "action", What: fmt.Sprintf("%q is nothing one does with a cartridge", ch.Action), Remedy: "say inserted or removed",
		}
	}
	q := tagAsk{slot: slot, answer: make(chan error, 1)}
	select {
	case c.asks <- q:
	case <-ctx.Done():
		return api.Cartridge{}, ctx.Err()
	}
	var err error
	select {
	case err = <-q.answer:
	case <-ctx.Done():
		return api.Cartridge{}, ctx.Err()
	}
	if err := c.changed(slot, ch, err); err != nil {
		return api.Cartridge{}, err
	}
	c.judge()
	c.a.stockChanged()
	c.a.log.Info("cartridge "+ch.Action, slog.String(logkey.Line, slot), slog.String(logkey.State, c.state(slot)))
	l, _ := c.a.book.Level(slot)
	return c.row(l), nil
}

// What a person does with a cartridge.
const (
	changeInserted = "inserted"
	changeRemoved  = "removed"
)

// changed judges a person's word by what the reader said.
func (c *cartridges) changed(slot string, ch api.CartridgeChange, reading error) error {
	there := reading == nil || errors.Is(reading, hal.ErrForeign)
	unread := reading != nil && !there && !errors.Is(reading, hal.ErrNoTag) && !errors.Is(reading, hal.ErrNoReader)
	switch {
	case errors.Is(reading, hal.ErrNoReader) && ch.Action == changeInserted:
		in := inventory.Cartridge{ID: "by-hand-" + record.NewID(c.now()), Holds: c.slot(slot).Ingredient, LeftUL: -1, By: ch.Person}
		if in.By == "" {
			in.By = "a person"
		}
		if err := c.a.book.Put(slot, in); err != nil {
			return err
		}
		c.a.machine.Refilled(slot)
	case errors.Is(reading, hal.ErrNoReader):
		c.a.book.Remove(slot)
	case unread:
		return &problem.Problem{
			Code: problem.CodeUnreachable, Where: slot, What: "the tag cannot be read: " + reading.Error(), Remedy: alarm.CartridgeUnreadable.Remedy(slot), Retry: true,
		}
	case ch.Action == changeRemoved && there:
		return &problem.Problem{Code: problem.CodeConflict, Where: slot, What: "a cartridge still answers from this slot", Remedy: "take it out"}
	case ch.Action == changeInserted && !there:
		return &problem.Problem{Code: problem.CodeConflict, Where: slot, What: "no cartridge answers from this slot", Remedy: "push it in until it clicks"}
	}
	return nil
}

func (c *cartridges) state(slot string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.states[slot].state
}

// counts says how many slots are in which state.
func (c *cartridges) counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]int{}
	for _, v := range maps.All(c.states) {
		out[v.state]++
	}
	return out
}
