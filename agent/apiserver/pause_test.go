package apiserver_test

import (
	"path/filepath"
	"slices"
	"testing"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// TestPauseAndRinse: the calls reach the unit, its problems come back, and a rinse is a lease like a pour's: it ends with
// the connection that carried it.
func TestPauseAndRinse(t *testing.T) {
	f := newFake()
	socket := filepath.Join(serve(t, f), api.AgentSocket)
	c := api.NewClient(socket)
	defer c.Close()
	p, err := c.StartPour(t.Context(), api.StartPour{Beverage: "kolvane.classic", TargetUL: 240_000, Mode: api.ModePortion, Source: "touch", TopOff: "01BEFORE"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Resume(t.Context(), p.ID); problem.From(err).Code != problem.CodeConflict {
		t.Errorf("resume of a pour that flows: %v", err)
	}
	if err := c.Pause(t.Context(), p.ID); err != nil {
		t.Fatal(err)
	}
	if now, err := c.Pour(t.Context(), p.ID); err != nil || now.Phase != api.PhasePaused {
		t.Errorf("paused: %+v, %v", now, err)
	}
	if err := c.Resume(t.Context(), p.ID); err != nil {
		t.Error(err)
	}
	if err := c.Pause(t.Context(), "nobody"); problem.From(err).Code != problem.CodeNotFound {
		t.Errorf("pause of no pour: %v", err)
	}
	other := api.NewClient(socket)
	r, err := other.Rinse(t.Context())
	if err != nil || r.ID == "" {
		t.Fatalf("rinse %+v, %v", r, err)
	}
	other.Close()
	eventually(t, "the rinse is stopped with its connection", func() bool { return slices.Contains(f.lostPours(), r.ID) })
}
