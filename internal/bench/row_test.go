package bench

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

// linger is what a record waits for company before it is sent (sync.linger in testdata/config/demo.yaml).
const linger = time.Second

// measureRow times a pour from the moment the local API says that it is over, which is what the screen shows, to the
// commit of its row in the cloud's store, over real TLS and the real rule.
func measureRow(t *testing.T, emit func(Figure)) {
	cfg := plainDesk(t)
	t.Setenv("FOUNTAIN_SYNC_LINGER", linger.String())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	d := startDesk(ctx, t, cfg)
	defer d.Stop()
	u := d.Units[0]
	pourOn(ctx, t, u) // connected and warm
	db, err := store.OpenSQLiteReader(ctx, filepath.Join(cfg.Dir, "cloud", "cloud.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c := api.NewClient(u.Socket(api.ServiceSocket))
	defer c.Close()
	drinks := theMenu(t).drinks
	var ms []float64
	for i := range 40 {
		p, err := c.Hold(ctx, api.StartPour{Beverage: drinks[i*5].ID, TargetUL: 60_000, Mode: api.ModePortion, Source: wire.SourceService}, nil)
		over := time.Now()
		if err != nil {
			t.Logf("pour %d: %v", i, err) // a host that stood still; what was poured is measured
			time.Sleep(time.Second)
			continue
		}
		for !stored(ctx, t, db, p.ID) {
			if time.Since(over) > 30*time.Second {
				t.Fatalf("pour %s has no row", p.ID)
			}
			time.Sleep(2 * time.Millisecond)
		}
		ms = append(ms, float64(time.Since(over).Microseconds())/1000)
	}
	if len(ms) < 20 {
		t.Fatalf("only %d pours were measured", len(ms))
	}
	emit(Figure{Name: "pour/row_p50", Value: Quantile(ms, 0.5), Unit: "ms, live", Goal: "ratio<=1.25"}.Over("sync.linger", float64(linger.Milliseconds())))
	emit(Figure{Name: "pour/row_p95", Value: Quantile(ms, 0.95), Unit: "ms, live", Goal: "ratio<=1.5"}.Over("sync.linger", float64(linger.Milliseconds())))
}

// stored says whether the newest rows hold the pour.
func stored(ctx context.Context, t *testing.T, db *store.SQLite, id string) bool {
	t.Helper()
	pours, err := db.Latest(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pours {
		if p.Record.ID == id {
			return true
		}
	}
	return false
}
