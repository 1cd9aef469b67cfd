package desk

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"fountain/agent/beverage"
	"fountain/sync/wire"
)

// TestChaos kills agent, cloud or both at a random moment of each pour. Every pour that was started is in the cloud
// once; nothing else is. 10 rounds, 100 with FOUNTAIN_LONG.
func TestChaos(t *testing.T) {
	rounds, seed := 10, uint64(1)
	if long() {
		rounds, seed = 100, uint64(time.Now().UnixNano())
	}
	if s := os.Getenv("FOUNTAIN_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d rounds, FOUNTAIN_SEED=%d", rounds, seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	d, u := startDesk(t, func(c *Config) { c.Seed = seed })
	drinks := []string{"lemonpark.classic", "kolvane.zero", "zestrel.lemon-lime", "house-water.still"}
	poured := map[string]bool{}
	outcomes := map[wire.Outcome]int{}
	for round := range rounds {
		u.awaitReady(t)
		if _, err := u.plant(t).NewCup(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, release := context.WithCancel(t.Context())
		pour, released := u.hold(ctx, t, beverage.ID(drinks[rng.IntN(len(drinks))]), 240)
		poured[pour] = true
		time.Sleep(time.Duration(rng.IntN(3500)) * time.Millisecond)
		victims := [][]*Child{{u.Agent}, {d.Cloud}, {u.Agent, d.Cloud}}[rng.IntN(3)]
		for _, c := range victims {
			if err := c.Signal(syscall.SIGKILL); err != nil {
				t.Logf("round %d: %v", round, err) // it has not come back from the round before
			}
		}
		release()
		<-released
	}
	u.awaitReady(t)
	var last int
	await(t, 2*time.Minute, "every pour is in the cloud", func() (bool, string) {
		seen := map[string]int{}
		all := d.records(t)
		clear(outcomes)
		for _, r := range all {
			seen[r.ID]++
			outcomes[r.Outcome]++
		}
		missing := 0
		for id := range poured {
			if seen[id] == 0 {
				missing++
			}
		}
		last = len(all)
		return missing == 0, strconv.Itoa(missing) + " of " + strconv.Itoa(len(poured)) + " pours are missing"
	})
	if last != len(poured) {
		t.Errorf("the cloud has %d records of %d pours", last, len(poured))
	}
	t.Logf("%d pours, each in the cloud once: %v", len(poured), outcomes)
}
