package desk

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/sync/wire"
)

// chaos is a person who pours while processes are killed.
type chaos struct {
	t   *testing.T
	d   *Desk
	u   *Unit
	rng *rand.Rand

	kills   map[string]int   // by process
	poured  map[string]int64 // pours that were started, with what their cup got, µL
	unclear int              // starts of a pour that were cut: each may have its record
	unnamed int              // cups that got something by one of those
	cleared int              // alarms that only a person ends
	cupsUL  int64            // what flowed, by the plant
}

// TestChaos kills agent, cloud, guard and screen, one to three a pour, at random moments from before it starts until after
// it ends. Every pour that was started is in the cloud once, nothing else is, and every log is there in its order without
// a hole. 15 kills, 300 with FOUNTAIN_LONG.
func TestChaos(t *testing.T) {
	want, seed := 15, uint64(1)
	if long() {
		want, seed = 300, uint64(time.Now().UnixNano())
	}
	if s := os.Getenv("FOUNTAIN_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, FOUNTAIN_SEED=%d", want, seed)
	d, u := startDesk(t, func(c *Config) { c.Seed, c.NoUI, c.Healthy = seed, false, 100*time.Millisecond })
	c := &chaos{t: t, d: d, u: u, rng: rand.New(rand.NewPCG(seed, 0)), kills: map[string]int{}, poured: map[string]int64{}}
	rounds, made := 0, 0
	for ; made < want; rounds++ {
		c.round()
		made = 0
		for _, n := range c.kills {
			made += n
		}
	}
	c.settle(rounds, made)
}

// round is one cup.
func (c *chaos) round() {
	c.ready()
	if _, err := c.u.plant(c.t).NewCup(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(c.victims()))
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range 1 + c.rng.IntN(3) {
		name, after := names[c.rng.IntN(len(names))], time.Duration(c.rng.IntN(3000))*time.Millisecond
		wg.Go(func() {
			time.Sleep(after)
			if c.victims()[name].Signal(syscall.SIGKILL) != nil {
				return // it has not come back from the kill before
			}
			mu.Lock()
			defer mu.Unlock()
			c.kills[name]++
		})
	}
	ctx, release := context.WithCancel(c.t.Context())
	unclear := c.unclear
	time.Sleep(time.Duration(c.rng.IntN(300)) * time.Millisecond)
	pour, released := c.pour(ctx)
	time.Sleep(time.Duration(300+c.rng.IntN(2500)) * time.Millisecond)
	release()
	wg.Wait()
	<-released

	c.ready()
	s, err := c.u.plant(c.t).State(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	c.cupsUL += s.Cup.TotalUL
	switch {
	case pour != "":
		c.poured[pour] = s.Cup.TotalUL
	case s.Cup.TotalUL > 0 && c.unclear == unclear:
		c.t.Errorf("%d µL flowed and nobody poured", s.Cup.TotalUL)
	case s.Cup.TotalUL > 0:
		c.unnamed++
	}
}

func (c *chaos) victims() map[string]*Child {
	return map[string]*Child{"agent": c.u.Agent, "cloud": c.d.Cloud, "guard": c.u.Guard, "screen": c.u.UI}
}

// ready waits until the unit can pour, which takes all its processes, however often they were killed. A technician clears
// what only a person may: killing guard and agent together lets water flow on for a moment, which looks like a stuck valve.
func (c *chaos) ready() {
	c.t.Helper()
	client := c.u.client(c.t)
	await(c.t, time.Minute, "unit is ready", func() (bool, string) {
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
		defer cancel()
		s, err := client.Status(ctx)
		if err != nil {
			return false, err.Error()
		}
		if s.Unit == api.UnitOutOfOrder {
			c.clear(ctx, client)
		}
		return s.Unit == api.UnitReady, s.Unit + " " + s.Reason
	})
}

func (c *chaos) clear(ctx context.Context, client *api.Client) {
	alarms, err := client.Alarms(ctx)
	if err != nil {
		return // asked again
	}
	for _, a := range alarms {
		if client.ClearAlarm(ctx, api.ClearAlarm{Name: a.Name, Scope: a.Scope, Person: "chaos"}) == nil {
			c.cleared++
			c.t.Logf("cleared %s of %s: %s", a.Name, a.Scope, a.Evidence)
		}
	}
}

// pour starts a pour and holds it until ctx ends. A start that fails is tried again a few times: the unit may just have
// been killed.
func (c *chaos) pour(ctx context.Context) (pour string, released <-chan struct{}) {
	drinks := []string{"lemonpark.classic", "kolvane.zero", "zestrel.lemon-lime", "house-water.still", "house-water.sparkling"}
	for range 10 {
		drink := beverage.ID(drinks[c.rng.IntN(len(drinks))])
		pour, released, err := c.u.tryHold(ctx, c.t, drink, 240)
		if err == nil {
			return pour, released
		}
		c.t.Logf("a pour of %s did not start: %v", drink, err)
		c.unclear++
		time.Sleep(100 * time.Millisecond)
	}
	done := make(chan struct{})
	close(done)
	return "", done
}

// settle compares the cups with what the cloud has in the end.
func (c *chaos) settle(rounds, made int) {
	t := c.t
	t.Helper()
	c.ready()
	var all []wire.Record
	dry := 0 // the agent was killed before anything of them was on the disk, or in the cup
	await(t, 3*time.Minute, "every pour is in the cloud", func() (bool, string) {
		all = c.d.records(t)
		seen := map[string]bool{}
		for _, r := range all {
			seen[r.ID] = true
		}
		var missing []string
		dry = 0
		for id, ul := range c.poured {
			switch {
			case seen[id]:
			case ul == 0:
				dry++
			default:
				missing = append(missing, id)
			}
		}
		return len(missing) == 0, fmt.Sprintf("%v of %d pours are missing", missing, len(c.poured))
	})
	outcomes, times, last := map[wire.Outcome]int{}, map[string]int{}, map[string]uint64{}
	others, recordsUL := 0, int64(0)
	for _, r := range all {
		outcomes[r.Outcome]++
		recordsUL += r.CountedUL + r.EstimatedUL
		if times[r.ID]++; times[r.ID] > 1 {
			t.Errorf("pour %s is in the cloud %d times", r.ID, times[r.ID])
		}
		if _, ours := c.poured[r.ID]; !ours {
			others++
		}
		if r.Seq != last[r.Log]+1 {
			t.Errorf("in log %s, %d follows %d", r.Log, r.Seq, last[r.Log])
		}
		last[r.Log] = r.Seq
	}
	if others < c.unnamed || others > c.unclear {
		t.Errorf("%d records of pours whose start was cut, want %d (cups that got something) to %d (starts)", others, c.unnamed, c.unclear)
	}
	t.Logf("%d kills (%v) in %d cups: %d pours, each in the cloud once, in order, in %d logs: %v; %.1f l flowed, %.1f l are recorded; %d pours never began, %d alarms cleared",
		made, c.kills, rounds, len(all), len(last), outcomes, float64(c.cupsUL)/1e6, float64(recordsUL)/1e6, dry, c.cleared)
}
