package machine

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fountain/agent/beverage"
	"fountain/hal/rigfile"
	"fountain/hal/sim"
)

// editedRig is the demo machine with lines put behind others in its rig file: pairs of a line's beginning and what
// follows it.
func editedRig(t *testing.T, pairs ...string) *rigfile.Rig {
	t.Helper()
	text := demoText(t)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the demo rig has no %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i]+pairs[i+1], 1)
	}
	r, err := rigfile.Parse("demo.yaml, edited", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func demoText(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "rig", "demo.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// bigNozzle is the demo machine with a nozzle that holds 1 ml of the last drink.
func bigNozzle(t *testing.T) *rigfile.Rig {
	t.Helper()
	text := regexp.MustCompile(`(?m)^  nozzle:.*\n`).ReplaceAllString(demoText(t), "")
	r, err := rigfile.Parse("demo.yaml with a big nozzle", []byte(strings.Replace(text, "\nsim:\n", "\nsim:\n  nozzle: { film_ul: 1000 }\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Lines for editedRig.
const (
	atLocks  = "interlocks:\n"
	gasLocks = `  - { id: water, signal: no-water, owner: agent, chip: soc, line: 7, safe: low, debounce: 5ms }
  - { id: co2, signal: no-co2, owner: agent, chip: soc, line: 8, safe: low, debounce: 5ms }
  - { id: carb, signal: carbonating, owner: agent, chip: soc, line: 9, safe: low, debounce: 5ms }
`
	beforeSim = "# Physics of the simulated twin. What is not given is drawn from the plant's seed.\n"
	agitator  = "agitators:\n  - { id: stir, owner: agent, chip: soc, line: 12, active: high, max_open: 20s, slots: [s01], every: 1m, for: 10s, current_ma: 300 }\n"
	noSensor  = "  - { id: cup, signal: no-cup, owner: agent, chip: soc, line: 26, safe: low, debounce: 5ms }\n"
)

// without takes a line out of a rig file.
func withoutCupSensor(t *testing.T) *rigfile.Rig {
	t.Helper()
	r, err := rigfile.Parse("demo.yaml without cup sensor", []byte(strings.Replace(demoText(t), noSensor, "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// second puts a second cartridge of an ingredient into a slot that another one had.
func second(ing beverage.IngredientID, slot string) option {
	return func(u *unit, _ *Config, d *Deps) {
		pl := *d.Planogram
		pl.Slots = append([]beverage.Slot(nil), pl.Slots...)
		for i := range pl.Slots {
			if pl.Slots[i].Slot == slot {
				pl.Slots[i].Ingredient = ing
			}
		}
		d.Planogram = &pl
		u.shelf.slots[ing] = append(u.shelf.slots[ing], slot)
		if err := u.plant.SetCartridge(sim.Cartridge{Slot: slot, Ingredient: string(ing), VolumeUL: 20_000_000}); err != nil {
			u.t.Fatal(err)
		}
	}
}

// drink finds a beverage that the demo planogram can pour and that f likes.
func (u *unit) drink(f func(*beverage.Beverage) bool) beverage.ID {
	u.t.Helper()
	for _, v := range stocked(u) {
		if f(v) {
			return v.ID
		}
	}
	u.t.Fatal("the planogram has no such beverage")
	return ""
}

// sequenceRig is the demo machine with gas, parsed anew: a plant must not share it.
func sequenceRig(t *testing.T) *rigfile.Rig { return editedRig(t, atLocks, gasLocks) }
