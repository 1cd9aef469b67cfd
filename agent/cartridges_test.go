package agent

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/inventory"
	"fountain/agent/machine"
	"fountain/hal"
	"fountain/hal/sim"
	"fountain/internal/problem"
)

func names(list []alarm.Alarm) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.Name.String())
	}
	slices.Sort(out)
	return out
}

func TestJudgeSlot(t *testing.T) {
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return now.AddDate(0, 0, n) }
	held := inventory.Level{Slot: "s1", Ingredient: "cola", Cartridge: "C", LeftUL: 500_000, FullUL: 1_000_000}
	with := func(f func(*inventory.Level)) inventory.Level { l := held; f(&l); return l }
	read := sight{read: true}
	clock := clockView{now: now, sure: true}
	for _, c := range []struct {
		name     string
		l        inventory.Level
		s        sight
		c        clockView
		servings int
		state    string
		want     []string
	}{
		{"well", held, read, clock, 100, "ok", nil},
		{"low", held, read, clock, 3, "ok", []string{"cartridge_low"}},
		{"of nothing the menu needs", held, read, clock, -1, "ok", nil},
		{"dry", with(func(l *inventory.Level) { l.Empty, l.LeftUL = true, 0 }), read, clock, 0, "empty", []string{"cartridge_empty"}},
		{"absent", inventory.Level{Slot: "s1", Ingredient: "cola"}, sight{read: true, err: hal.ErrNoTag}, clock, 0, "absent", []string{"cartridge_absent"}},
		{"wrong", with(func(l *inventory.Level) { l.Foreign, l.LeftUL = "lemon", 0 }), read, clock, 0, "wrong", []string{"cartridge_wrong"}},
		{"foreign", inventory.Level{Slot: "s1", Ingredient: "cola"}, sight{read: true, err: hal.ErrForeign}, clock, 0, "foreign", []string{"cartridge_foreign"}},
		{"claims too much", inventory.Level{Slot: "s1", Ingredient: "cola"}, sight{read: true, claims: true, tag: hal.Tag{ID: "C", VolumeUL: 9_000_000}}, clock, 0, "foreign", []string{"cartridge_foreign"}},
		{"refilled", with(func(l *inventory.Level) { l.Refilled = true }), read, clock, 100, "ok", []string{"cartridge_refilled"}},

		{"expired", with(func(l *inventory.Level) { l.Expires = day(-1) }), read, clock, 100, "expired", []string{"cartridge_expired"}},
		{"expires today", with(func(l *inventory.Level) { l.Expires = now }), read, clock, 100, "expired", []string{"cartridge_expired"}},
		{"expires soon", with(func(l *inventory.Level) { l.Expires = day(6) }), read, clock, 100, "ok", []string{"cartridge_expiring"}},
		{"expires later", with(func(l *inventory.Level) { l.Expires = day(8) }), read, clock, 100, "ok", nil},
		{"expired by a clock nobody set", with(func(l *inventory.Level) { l.Expires = day(-1) }), read, clockView{now: now}, 100, "ok", []string{"expiry_unsure"}},
		{"expired before the last sure time", with(func(l *inventory.Level) { l.Expires = day(-10) }), read, clockView{now: time.Unix(0, 0), atMost: day(-5)}, 100, "expired", []string{"cartridge_expired"}},
		{"clock in the past", with(func(l *inventory.Level) { l.Expires = day(-10) }), read, clockView{now: time.Unix(0, 0)}, 100, "ok", nil},

		{"read badly twice", held, sight{read: true, fails: 2, why: hal.ErrUnreadable}, clock, 100, "ok", nil},
		{"unreadable, known before", held, sight{read: true, fails: 3, why: hal.ErrUnreadable}, clock, 100, "unreadable", []string{"cartridge_unreadable"}},
		{"never read", inventory.Level{Slot: "s1", Ingredient: "cola"}, sight{fails: 3, why: hal.ErrGone}, clock, 0, "unreadable", []string{"cartridge_unreadable"}},
		{"unreadable and expired", with(func(l *inventory.Level) { l.Expires = day(-1) }), sight{read: true, fails: 3, why: hal.ErrUnreadable}, clock, 100, "expired", []string{"cartridge_expired", "cartridge_unreadable"}},
		{"registered", with(func(l *inventory.Level) { l.By = "ada" }), sight{read: true, err: hal.ErrNoReader}, clock, 100, "unverified", []string{"cartridge_unverified"}},
		{"not registered", inventory.Level{Slot: "s1", Ingredient: "cola"}, sight{read: true, err: hal.ErrNoReader}, clock, 0, "absent", []string{"cartridge_absent"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judgeSlot(c.l, c.s, c.c, config.DefaultStock(), c.servings)
			if got := names(v.alarms); v.state != c.state || !slices.Equal(got, c.want) {
				t.Errorf("%s %v, want %s %v", v.state, got, c.state, c.want)
			}
			for _, a := range v.alarms {
				if a.Scope != "s1" || a.Evidence == "" {
					t.Errorf("alarm %+v", a)
				}
			}
		})
	}
}

// A slot without a reader takes a person's word, keeps it over readings, and says so.
func TestRegisteredByHand(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		id := v.some(still, lemon, "")
		ask := func(action string) (api.Cartridge, error) {
			return v.a.slots.Change(context.Background(), "s02", api.CartridgeChange{Action: action, Person: "ada"})
		}
		v.inject(sim.Fault{Kind: sim.CartridgeGone, Part: "s02"})
		v.raised(alarm.CartridgeAbsent, "s02", 3*time.Second)
		v.readers["s02"].gone.Store(true)
		v.await("nobody registered one", 5*time.Second, func() bool { return v.blocked(id) == "sold_out" })

		c, err := ask("inserted")
		if err != nil || c.State != slotUnverified || c.LeftUL != 5_000_000 || c.Tag == "" {
			t.Fatalf("inserted: %+v, %v", c, err)
		}
		v.await("it is offered", time.Second, func() bool { return v.blocked(id) == "" })
		a := v.raised(alarm.CartridgeUnverified, "s02", time.Second)
		if a.Evidence != "registered by ada" || a.Severity != alarm.Warns {
			t.Errorf("alarm %+v", a)
		}
		time.Sleep(time.Minute)
		if l, _ := v.a.book.Level("s02"); l.Cartridge != c.Tag {
			t.Errorf("forgotten after readings: %+v", l)
		}
		if c, err = ask("removed"); err != nil || c.State != slotAbsent {
			t.Errorf("removed: %+v, %v", c, err)
		}
		v.await("it is taken away", time.Second, func() bool { return v.blocked(id) == "sold_out" })
	})
}

// A judgement that began before a person's word does not undo what is judged by it.
func TestJudgementsDoNotOvertake(t *testing.T) {
	cat, err := catalogues()
	if err != nil {
		t.Fatal(err)
	}
	plano, err := beverage.LoadPlanogram("", cat)
	if err != nil {
		t.Fatal(err)
	}
	book, err := inventory.New(plano, nil, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	for name, judge := range map[string]func(*cartridges){"of one": func(c *cartridges) { c.judgeOne("s02") }, "of all": (*cartridges).judge} {
		t.Run(name, func(t *testing.T) {
			book.Remove("s02")
			c := &cartridges{
				a: &Agent{book: book, board: alarm.New(nil), machine: &machine.Machine{}}, cfg: config.DefaultStock(), now: time.Now, atMost: func() time.Time { return time.Time{} },
				told: map[string]machine.SlotState{}, sights: map[string]sight{"s02": {read: true, err: hal.ErrNoReader}}, states: map[string]verdict{},
			}
			later := make(chan struct{})
			var asked atomic.Bool
			c.sure = func() bool {
				if asked.Swap(true) {
					return true
				}
				if err := book.Put("s02", inventory.Cartridge{ID: "x", Holds: lemon, LeftUL: -1, By: "ada"}); err != nil {
					t.Error(err)
				}
				go func() {
					defer close(later)
					judge(c)
				}()
				for range 10_000 {
					runtime.Gosched() // as much as it may do now
				}
				return true
			}
			judge(c)
			<-later
			if got := c.state("s02"); got != slotUnverified {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// Where there is a reader, the tag is believed before the person.
func TestChangeIsVerified(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		change := func(slot, action string) (api.Cartridge, string) {
			c, err := v.a.slots.Change(context.Background(), slot, api.CartridgeChange{Action: action, Person: "ada"})
			var p *problem.Problem
			if errors.As(err, &p) {
				return c, p.Code
			}
			if err != nil {
				t.Fatal(err)
			}
			return c, ""
		}
		if _, code := change("s99", "inserted"); code != problem.CodeNotFound {
			t.Errorf("unknown slot: %s", code)
		}
		if _, code := change("s02", "shaken"); code != problem.CodeBadRequest {
			t.Errorf("unknown action: %s", code)
		}
		if _, code := change("s02", "removed"); code != problem.CodeConflict {
			t.Errorf("removed while it answers: %s", code)
		}
		v.inject(sim.Fault{Kind: sim.CartridgeGone, Part: "s02"})
		if _, code := change("s02", "inserted"); code != problem.CodeConflict {
			t.Errorf("inserted while nothing answers: %s", code)
		}
		if c, code := change("s02", "removed"); code != "" || c.State != slotAbsent {
			t.Errorf("removed: %+v %s", c, code)
		}
		if err := v.plant.SetCartridge(sim.Cartridge{Slot: "s03", ID: "another", Ingredient: string(lemon), VolumeUL: 1_000_000}); err != nil {
			t.Fatal(err)
		}
		c, code := change("s03", "inserted")
		if code != "" || c.State != slotWrong || c.Contents != string(lemon) || c.Remedy == "" {
			t.Errorf("a wrong one: %+v %s", c, code)
		}
		if err := v.plant.SetCartridge(sim.Cartridge{Slot: "s03", ID: "fat", Ingredient: "juice.orange", VolumeUL: 9_000_000}); err != nil {
			t.Fatal(err)
		}
		if c, code = change("s03", "inserted"); code != "" || c.State != slotForeign {
			t.Errorf("one that claims too much: %+v %s", c, code)
		}
		if err := v.plant.SetCartridge(sim.Cartridge{Slot: "s03", ID: "good", Ingredient: "juice.orange", VolumeUL: 3_000_000}); err != nil {
			t.Fatal(err)
		}
		if c, code = change("s03", "inserted"); code != "" || c.State != slotOK || c.LeftUL != 3_000_000 || c.Tag != "good" {
			t.Errorf("a good one: %+v %s", c, code)
		}
		if err := v.plant.SetCartridge(sim.Cartridge{Slot: "s03", ID: "good", Ingredient: "juice.orange", VolumeUL: 5_000_000}); err != nil {
			t.Fatal(err)
		}
		if c, code = change("s03", "inserted"); code != "" || c.State != slotOK || c.LeftUL != 3_000_000 || !v.a.board.Has(alarm.CartridgeRefilled, "s03") {
			t.Errorf("a refilled one: %+v %s, alarms %v", c, code, v.standing())
		}
		list, err := v.a.slots.List(context.Background())
		if err != nil || len(list) != len(v.a.planogram.Slots) || list[0].State != slotOK || list[0].Expires == nil {
			t.Errorf("list %+v, %v", list[0], err)
		}
	})
}

// After the door was shut every slot is read at once: who changed a cartridge does not wait for the round.
func TestDoorMakesReadersHurry(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		v.inject(sim.Fault{Kind: sim.DoorOpen})
		time.Sleep(time.Second)
		v.clear(sim.Fault{Kind: sim.DoorOpen})
		time.Sleep(300 * time.Millisecond)
		for _, s := range []string{"s04", "s40", "s79"} {
			v.inject(sim.Fault{Kind: sim.CartridgeGone, Part: s})
		}
		if took := v.await("all three are missed", time.Second, func() bool {
			return v.a.board.Has(alarm.CartridgeAbsent, "s04") && v.a.board.Has(alarm.CartridgeAbsent, "s40") && v.a.board.Has(alarm.CartridgeAbsent, "s79")
		}); took > 2*slotTick {
			t.Errorf("it took %s", took)
		}
	})
}
