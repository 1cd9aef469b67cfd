package agent

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/beat"
	"fountain/agent/record"
	"fountain/agent/store"
	"fountain/hal"
	"fountain/sync/wire"
)

// A process that was killed leaves its lines as they were. The next one shuts them, whatever it finds wrong afterwards.
// Peers: reef-pi restores what was on before a power cut (#719).
func TestStartShutsFirst(t *testing.T) {
	b := newBench(t)
	old, err := b.plant.Open(hal.OwnerAgent)
	if err != nil {
		t.Fatal(err)
	}
	still, err := old.Outputs().Bit("still")
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Outputs().Apply(still, still); err != nil {
		t.Fatal(err)
	}
	b.plant.Kill(hal.OwnerAgent)
	b.cfg.Catalogue.File = filepath.Join(t.TempDir(), "catalogue.json")
	if err := os.WriteFile(b.cfg.Catalogue.File, []byte(`{"version":1`), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, _ := b.plant.Valve("still"); !v.Commanded {
		t.Fatal("the plant shut the valve by itself")
	}
	var rig hal.Rig
	_, err = New(t.Context(), Config{State: b.state, Rig: RigSim, Config: b.cfg}, Deps{
		Log: b.log("agent"),
		Open: func(context.Context) (hal.Rig, hal.Pacer, error) {
			var err error
			rig, err = b.plant.Open(hal.OwnerAgent)
			return rig, b.plant.Pacer(), err
		},
	})
	if err == nil {
		t.Error("a catalogue that cannot be read was taken")
	}
	b.shut()
	if rig != nil {
		_ = rig.Close()
	}
}

// What is wrong on the unit is told before a rig that does not answer, and soon.
func TestWrongFileBeforeSilentRig(t *testing.T) {
	b := newBench(t)
	b.cfg.Catalogue.File = filepath.Join(t.TempDir(), "missing.json")
	silent := errors.New("the rig does not answer")
	_, err := New(t.Context(), Config{State: b.state, Rig: RigSim, Config: b.cfg}, Deps{
		Log:  b.log("agent"),
		Open: func(ctx context.Context) (hal.Rig, hal.Pacer, error) { <-ctx.Done(); return nil, nil, silent },
	})
	if err == nil || errors.Is(err, silent) {
		t.Errorf("told %v", err)
	}
}

// An intent that no record can be made of is set aside with an alarm; it neither stops the unit nor the other pours.
func TestRecoveryOfAnImpossibleIntent(t *testing.T) {
	s, err := store.Open(filepath.Join(t.TempDir(), "pours"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	bad := openIntent(t, s, "boot", 1)
	bad.Source = "cloud"
	body, err := bad.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutIntent(bad.Pour, body); err != nil {
		t.Fatal(err)
	}
	good := openIntent(t, s, "boot", 2)
	r := &recovery{
		store: s, unit: record.Unit{Thing: "fountain-T", Boot: "boot", SW: "test", Rig: RigSim}, board: alarm.New(nil),
		log: slog.New(slog.NewTextHandler(t.Output(), nil)), last: func() (beat.Last, error) { return beat.Last{}, beat.ErrNoLast },
	}
	made, err := r.run(t.Context())
	if err != nil || len(made) != 1 || made[0].ID != good.Pour || made[0].Outcome != wire.Interrupted {
		t.Errorf("made %+v, %v", made, err)
	}
	if !r.board.Has(alarm.IntentDamaged, bad.Pour) {
		t.Error("no alarm for the intent without a record")
	}
}

// TestAClockAheadRetiresNothing: what was stored an hour ago does not get old by a clock that jumps forty years, nor by
// one that jumps back; in time it does.
func TestAClockAheadRetiresNothing(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		at := time.Now()
		if got := v.a.houseTime(at); !got.Equal(at) {
			t.Errorf("the first is %s", got)
		}
		for i := 1; i <= 24*7; i++ {
			if got := v.a.houseTime(at.AddDate(40, 0, 0)); got.Sub(at) > time.Duration(2*i)*houseEvery {
				t.Fatalf("after %d hours it is %s", i, got.Sub(at))
			}
		}
		if got := v.a.houseTime(at.AddDate(-1, 0, 0)); got.After(at.AddDate(-1, 0, 0)) {
			t.Errorf("a clock that went back: %s", got)
		}
	})
}
