package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/agent/config"
	"fountain/agent/recall"
	"fountain/internal/problem"
	"fountain/sync/shadow"
	"fountain/sync/wire"
)

// within is how fast a recall has to count (DESIGN 8: a kill message arrives in 2 s).
const within = 2 * time.Second

// TestRecallStopsAtOnce: what the cloud recalls while it is poured stops within two seconds of the word, and is recorded
// as what it is.
func TestRecallStopsAtOnce(t *testing.T) {
	edit := func(cfg *config.Config) { cfg.Unit.Mixes = true }
	for _, what := range []string{"the beverage", "its carrier", "an ingredient", "part of a mix"} {
		t.Run(what, func(t *testing.T) {
			onlineUnit(t, edit, func(v *virtual, c *localCloud) {
				id := v.some("water.still", "", "")
				req := api.StartPour{Beverage: id, TargetUL: 900_000, Mode: api.ModePortion, Source: "touch"}
				desired := fmt.Sprintf(`{"beverages":{%q:true}}`, id)
				switch what {
				case "its carrier":
					desired = `{"ingredients":{"water.still":true}}`
				case "an ingredient":
					for ing := range v.a.menu.needs(id, nil) {
						if ing != "water.still" {
							desired = fmt.Sprintf(`{"ingredients":{%q:true}}`, ing)
						}
					}
				case "part of a mix":
					a, b := v.mixable()
					req.Beverage, req.Mix = "", []api.MixPart{{Beverage: a, Share: 50}, {Beverage: b, Share: 50}}
					desired = fmt.Sprintf(`{"beverages":{%q:true}}`, b)
				}
				p := v.starts(req)
				v.await("it flows", 10*time.Second, func() bool { now, _ := v.a.view.Pour(p.ID); return now.PouredUL > 20_000 })
				c.desire(v.thing(), wire.RecallShadow, desired)
				took := v.await("every valve is shut", within, func() bool { return len(v.open()) == 0 })
				v.await("it is recorded", 5*time.Second, func() bool { p, _ = v.a.view.Pour(p.ID); return p.Phase == api.PhaseDone })
				t.Logf("recall to valves shut: %s", took)
				if p.Outcome != string(wire.Stopped) || p.Reason != "recalled" {
					t.Errorf("the pour ended %s %s", p.Outcome, p.Reason)
				}
				v.await("the machine is free", 5*time.Second, func() bool { return !v.a.machine.State().Busy })
				for _, source := range []string{"touch", "service", "phone"} {
					req.Source = source
					if _, err := (commands{v.a}).Start(v.t.Context(), req); !refusedAs(err, problem.CodeUnavailable) {
						t.Errorf("%s: %v", source, err)
					}
				}
				v.await("it is reported", time.Minute, func() bool {
					var rep wire.RecallReport
					c.reported(v.thing(), wire.RecallShadow, &rep)
					return len(rep.Beverages)+len(rep.Ingredients) == 1
				})
			})
		})
	}
}

// TestRecallPassesABacklog: a backlog that drains at the full budget does not hold a recall up. Records are large, so
// that each is a message.
func TestRecallPassesABacklog(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		const records = 240
		for range records {
			_, err := v.a.store.Append(v.t.Context(), "", func(log string, seq uint64) ([]byte, error) {
				return fmt.Appendf(nil, `{"log":%q,"seq":%d,"pad":%q}`, log, seq, strings.Repeat("x", 4000)), nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		v.a.cloud.appended(v.a.store.Log())
		v.await("it drains", 10*time.Second, func() bool { return c.taken() > records/8 })
		id := v.some("water.still", "", "")
		c.desire(v.thing(), wire.RecallShadow, fmt.Sprintf(`{"beverages":{%q:true}}`, id))
		took := v.await("it is recalled", within, func() bool { return v.blocked(id) == "recalled" })
		reported := v.await("and reported", within, func() bool { return c.holds(v.thing(), "beverages", string(id)) })
		left := records - c.taken()
		t.Logf("recall to forbidden: %s, reported %s later, %d of %d messages left to drain", took, reported, left, records)
		if left < records/8 {
			t.Errorf("the drain was over: %d messages are left", left)
		}
	})
}

// TestRecallSticks: neither a restart, nor a time offline, nor a shadow that was deleted or emptied, nor anybody on the
// unit ends a recall. The cloud's false does, and its null.
func TestRecallSticks(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		thing, id := v.thing(), v.some("water.still", "", "")
		other := v.some("water.still", "", "")
		for _, it := range v.a.menu.items {
			if it.id != id && v.blocked(it.id) == "" {
				other = it.id
			}
		}
		recalled := func(id beverage.ID) func() bool { return func() bool { return v.blocked(id) == "recalled" } }
		offered := func(id beverage.ID) func() bool { return func() bool { return v.blocked(id) == "" } }
		c.desire(thing, wire.RecallShadow, fmt.Sprintf(`{"beverages":{%q:true,%q:true},"ingredients":{"later":true}}`, id, other))
		v.await("both are recalled", within, func() bool { return recalled(id)() && recalled(other)() })
		v.await("and reported", within, func() bool { return c.holds(thing, "beverages", string(other)) })

		overview, err := home{v.a}.Overview(v.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, todo := range overview.Todos {
			if want := map[string]int{string(id): 1, "later": 0}; todo.Alarm == "beverage_recalled" && todo.Scope == string(id) && todo.Hidden != want[todo.Scope] {
				t.Errorf("the service home says %+v", todo)
			}
		}
		err = alarmDesk{v.a}.Clear(v.t.Context(), api.ClearAlarm{Name: "beverage_recalled", Scope: string(id), Person: "ruiz"})
		if !refusedAs(err, problem.CodeUnsafe) {
			t.Errorf("cleared on the unit: %v", err)
		}
		again := func() {
			v.stop()
			v = c.start()
		}
		c.down(true)
		again()
		if !recalled(id)() || !v.a.board.Has(alarm.BeverageRecalled, string(id)) || !v.a.board.Has(alarm.IngredientRecalled, "later") {
			t.Errorf("after a restart without a network it is %q, alarms %v", v.blocked(id), v.standing())
		}
		c.deleteShadow(thing, wire.RecallShadow)
		c.down(false)
		v.await("the unit is online", 5*time.Minute, v.a.cloud.online)
		v.await("it reports again", 5*time.Second, func() bool { return c.holds(thing, "beverages", string(id)) })
		c.desire(thing, wire.RecallShadow, `{"beverages":{}}`)
		c.desire(thing, wire.RecallShadow, `null`)
		again()
		if !recalled(id)() {
			t.Errorf("after the shadow was emptied it is %q", v.blocked(id))
		}

		for _, bad := range []string{
			fmt.Sprintf(`{"beverages":{%q:false,%q:"no"}}`, id, other), fmt.Sprintf(`{"beverages":{%q:false},"bevrages":{}}`, id), `{"beverages":[1]}`,
		} {
			c.desire(thing, wire.RecallShadow, `null`)
			c.desire(thing, wire.RecallShadow, bad)
			v.await("it is refused", 5*time.Second, func() bool { return c.refused(thing) != "" })
			c.valid(thing, wire.RecallShadow)
			if !recalled(id)() {
				t.Errorf("%s made it %q", bad, v.blocked(id))
			}
		}
		c.desire(thing, wire.RecallShadow, `null`)
		c.desire(thing, wire.RecallShadow, fmt.Sprintf(`{"beverages":{%q:false}}`, id))
		v.await("false allows it", within, offered(id))
		v.await("it is not refused any more", 5*time.Second, func() bool { return c.refused(thing) == "" })
		if !recalled(other)() {
			t.Errorf("the other one is %q", v.blocked(other))
		}
		c.desire(thing, wire.RecallShadow, fmt.Sprintf(`{"beverages":{%q:null}}`, other))
		v.await("null allows it", within, offered(other))
		again()
		if !offered(id)() || !offered(other)() {
			t.Errorf("after a restart they are %q and %q", v.blocked(id), v.blocked(other))
		}
		v.await("what is held is the unknown one", 5*time.Second, func() bool {
			var rep wire.RecallReport
			c.reported(thing, wire.RecallShadow, &rep)
			return !rep.Beverages[string(id)] && !rep.Beverages[string(other)] && slices.Equal(rep.Unknown, []string{"ingredients.later"})
		})
	})
}

// TestRecallOfVeryMuch: what finds no room in the report counts all the same, and is counted.
func TestRecallOfVeryMuch(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		ids := map[string]bool{}
		for i := range 180 {
			ids[fmt.Sprintf("recalled.long-name-of-number-%03d", i)] = true
		}
		id := v.some("water.still", "", "")
		ids[string(id)] = true
		b, err := json.Marshal(map[string]any{"beverages": ids})
		if err != nil {
			t.Fatal(err)
		}
		c.desire(v.thing(), wire.RecallShadow, string(b))
		v.await("it counts", within, func() bool { return v.blocked(id) == "recalled" })
		v.await("it is counted", 5*time.Second, func() bool {
			var rep wire.RecallReport
			c.reported(v.thing(), wire.RecallShadow, &rep)
			return rep.More == len(ids)
		})
	})
}

// TestRecallHoldsServiceWork: what was recalled is brought into no vessel by a technician either, and what is under way
// stops; taking it out goes on.
func TestRecallHoldsServiceWork(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		drink := v.some("water.still", "", "")
		p, err := v.a.machine.Plan(drink, 240_000)
		if err != nil {
			t.Fatal(err)
		}
		ing, pump := string(p.Doses[0].Ingredient), p.Doses[0].Pump
		valve, _ := v.still()
		id := v.begin(api.StartOp{Kind: api.OpPrime, Line: pump}, nil, nil)
		flows := func() bool { op, err := v.a.ops.Op(id); return err == nil && op.Step > 0 }
		v.await("it is primed", time.Minute, flows)
		v.a.recalls.hear(shadow.Heard{Version: 1, Desired: fmt.Appendf(nil, `{"ingredients":{%q:true}}`, ing)})
		var op api.Op
		v.await("it stops", within, func() bool { op, _ = v.a.ops.Op(id); return op.Outcome != "" })
		if op.Outcome != api.OpStopped || op.Reason != "recalled" {
			t.Errorf("ended %s %s", op.Outcome, op.Reason)
		}
		for _, req := range []api.StartOp{
			{Kind: api.OpPrime, Line: pump}, {Kind: api.OpPrime, Line: p.Doses[0].Slot}, {Kind: api.OpCalibrate, Line: pump}, {Kind: api.OpBrix, Line: string(drink)},
		} {
			req.Person = "ann"
			if _, err := v.a.ops.Start(v.t.Context(), req); !refusedAs(err, problem.CodeUnavailable) || !strings.Contains(err.Error(), ing) {
				t.Errorf("%s %s: %v", req.Kind, req.Line, err)
			}
		}
		id = v.begin(api.StartOp{Kind: api.OpPurge, Line: pump}, nil, nil)
		v.await("it is purged", time.Minute, flows)
		if err := v.a.ops.Stop(id, "stopped"); err != nil {
			t.Error(err)
		}
		v.await("it has ended", time.Minute, func() bool { op, _ = v.a.ops.Op(id); return op.Outcome != "" })
		if op = v.work(api.StartOp{Kind: api.OpPrime, Line: valve}, nil); op.Outcome != api.OpDone {
			t.Errorf("another line: %s %s", op.Outcome, op.Reason)
		}
	})
}

// fullDisk keeps nothing.
type fullDisk struct{ recall.Store }

func (fullDisk) PutSetting(string, []byte) error { return errors.New("no space left on device") }

// TestRecallOnAFullDisk: an earlier recall that cannot be stored does not keep a later one, written while the unit was
// offline, from being asked for.
func TestRecallOnAFullDisk(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		c.down(true)
		v.await("the line is down", time.Minute, func() bool { return !v.a.cloud.online() })
		list, err := recall.Open(fullDisk{v.a.store}, t.TempDir(), v.a.recalls.known) // a directory cannot be written either
		if err != nil {
			t.Fatal(err)
		}
		v.a.recalls.list = list
		v.a.recalls.hear(shadow.Heard{Version: 1, Desired: []byte(`{"ingredients":{"earlier":true}}`)})
		id := v.some("water.still", "", "")
		c.desire(v.thing(), wire.RecallShadow, fmt.Sprintf(`{"beverages":{%q:true}}`, id))
		c.down(false)
		v.await("it counts", 10*time.Minute, func() bool { return v.blocked(id) == "recalled" })
		time.Sleep(time.Minute)
		if c.holds(v.thing(), "beverages", string(id)) {
			t.Error("it is reported although it is not durable")
		}
	})
}

// answering is a line on which one document answers every question.
type answering struct {
	receive func(topic string, payload []byte)
	answer  func(token string) (topic string, payload []byte)
}

func (a *answering) Subscribe(_ context.Context, h func(string, []byte), _ ...string) error {
	a.receive = h
	return nil
}

func (a *answering) Publish(_ context.Context, _ string, _ byte, payload []byte) error {
	var q struct {
		Token string `json:"clientToken"`
	}
	if err := json.Unmarshal(payload, &q); err != nil {
		return err
	}
	a.receive(a.answer(q.Token))
	return nil
}

func (*answering) Lost() <-chan struct{} { return nil }

// TestRecallIsNotUndoneByAnOldAnswer: a recall that arrives while an older document is on its way stays.
func TestRecallIsNotUndoneByAnOldAnswer(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		c.down(true)
		v.await("the line is down", time.Minute, func() bool { return !v.a.cloud.online() })
		r, id := v.a.recalls, string(v.some("water.still", "", ""))
		var once sync.Once
		mux, err := shadow.Open(v.t.Context(), &answering{answer: func(token string) (string, []byte) {
			once.Do(func() { r.hear(shadow.Heard{Version: 6, Desired: fmt.Appendf(nil, `{"beverages":{%q:true}}`, id)}) })
			return string(wire.Shadow("t", wire.RecallShadow)) + "/get/accepted", fmt.Appendf(nil, `{"state":{"desired":{"beverages":{%q:false}}},"version":5,"clientToken":%q}`, id, token)
		}}, "t")
		if err != nil {
			t.Fatal(err)
		}
		client, err := mux.Client(wire.RecallShadow)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.settle(v.t.Context(), client); err != nil || !r.list.Beverage(id) {
			t.Errorf("an answer of version 5 undid the recall of version 6: %v", err)
		}
	})
}

func refusedAs(err error, code string) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code == code
}

// holds tells whether a unit has reported that it forbids something.
func (c *localCloud) holds(thing, section, id string) bool {
	var rep map[string]any
	c.reported(thing, wire.RecallShadow, &rep)
	sec, _ := rep[section].(map[string]any)
	return sec[id] == true
}

// refused is why a unit does not use its recall document.
func (c *localCloud) refused(thing string) string {
	var rep wire.RecallReport
	c.reported(thing, wire.RecallShadow, &rep)
	return rep.Refused
}

// open lists the valves that are commanded open.
func (v *virtual) open() []string {
	var out []string
	for _, s := range v.plant.State().Valves {
		if s.Commanded {
			out = append(out, s.ID)
		}
	}
	return out
}

// starts begins a pour that has its lease until it ends.
func (v *virtual) starts(req api.StartPour) api.Pour {
	v.t.Helper()
	v.plant.NewCup()
	time.Sleep(50 * time.Millisecond)
	p, err := commands{v.a}.Start(v.t.Context(), req)
	if err != nil {
		v.t.Fatalf("pour %+v: %v; alarms %v", req, err, v.standing())
	}
	v.leases.Go(func() {
		for v.a.machine.Beat(p.ID) == nil {
			time.Sleep(api.BeatEvery)
		}
	})
	return p
}

// mixable are two beverages that may be mixed.
func (v *virtual) mixable() (a, b beverage.ID) {
	v.t.Helper()
	a = v.some("water.still", "", "")
	for _, it := range v.a.menu.items {
		if it.id == a || v.blocked(it.id) != "" {
			continue
		}
		if _, err := beverage.Mix(v.a.catalogue, []beverage.MixPart{{Beverage: a, Share: 50}, {Beverage: it.id, Share: 50}}); err == nil {
			return a, it.id
		}
	}
	v.t.Fatal("nothing can be mixed")
	return "", ""
}
