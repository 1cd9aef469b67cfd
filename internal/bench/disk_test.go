package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fountain/agent/store"
	"fountain/cloud/awsiot/awsiottest"
	"fountain/cloud/awsiot/broker"
	"fountain/cloud/awsiot/rules"
	"fountain/cloud/ingest"
	cloudstore "fountain/cloud/store"
	"fountain/sync/wire"
)

// record is a pour of three ingredients, as long as real ones are.
func record(t *testing.T, thing string, seq uint64) []byte {
	return recordOf(t, thing, "lq2w3e4r5t6y7", seq)
}

func recordOf(t *testing.T, thing, log string, seq uint64) []byte {
	b, err := json.Marshal(wire.Record{
		V: wire.RecordVersion, ID: "01KB2V9Y3M6Q0R8T5W7X1Z4A2C", Thing: thing, Log: log, Seq: seq, Boot: "3f1c2b9a-7d58-4e61-9c0f-5a2b8d7e6f10",
		Started: "2026-11-22T20:59:38.123Z", Clock: "trusted", DurationMS: 5120, Beverage: "kolvane.zero",
		Catalogue: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", TargetUL: 355_000, CountedUL: 355_000,
		Parts: []wire.Part{
			{Ingredient: "water.sparkling", UL: 296_000, How: "metered"},
			{Ingredient: "kolvane-zero.syrup", Cartridge: "C-000417", UL: 59_000, How: "strokes"},
		},
		Outcome: wire.Completed, Source: wire.SourceTouch, SW: "1.0.0", Rig: "hw",
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// backlog is a store that fills up with records nobody has acknowledged.
type backlog struct {
	t    *testing.T
	dir  string
	s    *store.Store
	body []byte
}

// open opens the store (again) and returns the milliseconds it took.
func (b *backlog) open() float64 {
	b.t.Helper()
	if b.s != nil {
		b.close()
	}
	began := time.Now()
	s, err := store.Open(b.dir, store.Options{})
	if err != nil {
		b.t.Fatal(err)
	}
	b.s = s
	return time.Since(began).Seconds() * 1000
}

func (b *backlog) close() {
	b.t.Helper()
	if st := b.s.Stats(); len(b.s.Damages()) > 0 || st.Pending != st.Last {
		b.t.Fatalf("%+v %+v", st, b.s.Damages())
	}
	if err := b.s.Close(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *backlog) fill(enough func(store.Stats) bool) {
	b.t.Helper()
	for !enough(b.s.Stats()) {
		if _, err := b.s.Append(b.t.Context(), "", func(string, uint64) ([]byte, error) { return b.body, nil }); err != nil {
			b.t.Fatal(err)
		}
	}
}

// measureOpen opens two stores in turns, one with two segments and one with six. The newest is as full in both.
func measureOpen(t *testing.T, emit func(Figure)) {
	body := record(t, "fountain-demo-0001", 1)
	small, large := &backlog{t: t, dir: t.TempDir(), body: body}, &backlog{t: t, dir: t.TempDir(), body: body}
	small.open()
	large.open()
	small.fill(func(st store.Stats) bool { return st.Segments == 2 })
	each := small.s.Last() - 1
	small.fill(func(st store.Stats) bool { return st.Last >= each*19/10 })
	large.fill(func(st store.Stats) bool { return st.Last >= each*59/10 })
	var few, many []float64
	for range 21 {
		few, many = append(few, small.open()), append(many, large.open())
	}
	f := Figure{Name: "store/open_backlog", Value: Quantile(many, 0.5), Unit: fmt.Sprintf("ms at %d unsent records", large.s.Last()), Goal: "ratio<=1.25"}
	emit(f.Over(fmt.Sprintf("a store with %d, opened in turns", small.s.Last()), Quantile(few, 0.5)))
	small.close()
	large.close()
}

// floor writes 4 KiB pages with fdatasync into a file that is there already, n times, and returns how many a second.
func floor(t *testing.T, dir string, n int) float64 {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "floor"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 4<<20)); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	page := bytes.Repeat([]byte{1}, 4096)
	began := time.Now()
	for i := range n {
		if _, err := f.WriteAt(page, int64(i%1024)*4096); err != nil {
			t.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			t.Fatal(err)
		}
	}
	return float64(n) / time.Since(began).Seconds()
}

// deaf takes ledger writes.
type deaf struct{}

func (deaf) UpdateShadow(context.Context, string, string, []byte) (int64, error) { return 1, nil }
func (deaf) ReportedShadow(context.Context, string, string) ([]byte, error)      { return []byte("{}"), nil }

// measureIngest hands ingest what the topic rule would, and counts what is committed, until nothing is left: with few
// units that send much, and with a fleet whose every unit sends one message, which the deployed rule takes from its topic,
// and has a ledger to be written.
func measureIngest(t *testing.T, emit func(Figure)) {
	const batch = 6 // six records are what fits a message of 5 KB
	// 8,000 pours/s where a flush costs 0.1 ms (9,283 pages/s, spec/store.md) is a ratio of 0.86.
	few := ingestRates(t, 50, 40, batch, asQueued)
	emit(Figure{Name: "ingest/put", Value: few.rate, Unit: "durable pours/s", Goal: "ratio>=0.86"}.
		Times("4 KiB pwrite and fdatasync: "+short(few.floor)+"/s", few.ratio))
	fleet := ingestRates(t, fleetUnits, 1, batch, throughRule)
	emit(Figure{Name: "ingest/put_fleet", Value: fleet.rate, Unit: fmt.Sprintf("durable pours/s of %d units, through the topic rule", fleetUnits), Goal: "ratio>=0.86"}.
		Times("4 KiB pwrite and fdatasync: "+short(fleet.floor)+"/s", fleet.ratio))
}

// ingestRate are medians over rounds.
type ingestRate struct{ rate, floor, ratio float64 }

// way prepares how an ingest gets a unit's payload.
type way func(t *testing.T, in *ingest.Ingest) func(thing string, payload []byte) func(context.Context) error

// asQueued hands over what the rule has made.
func asQueued(t *testing.T, in *ingest.Ingest) func(thing string, payload []byte) func(context.Context) error {
	return func(thing string, payload []byte) func(context.Context) error {
		b, err := json.Marshal(map[string]any{"batch": payload, "thing": thing, "received_ms": time.Now().UnixMilli()})
		if err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context) error { return in.Handle(ctx, b) }
	}
}

// throughRule lets the rule of deploy/cfn/device.yaml make it.
func throughRule(t *testing.T, in *ingest.Ingest) func(thing string, payload []byte) func(context.Context) error {
	engine := &rules.Engine{
		Rules: awsiottest.Stack(t).Rules, Match: broker.MatchFilter, Log: slog.New(slog.DiscardHandler),
		Deliver: func(ctx context.Context, m rules.Message) error { return in.Handle(ctx, m.Body) },
	}
	return func(thing string, payload []byte) func(context.Context) error {
		return func(ctx context.Context) error {
			ok, err := engine.Ingest(ctx, wire.BasicIngest(awsiottest.Rule, thing), thing, payload)
			if err == nil && !ok {
				err = errors.New("the rule does not know the topic")
			}
			return err
		}
	}
}

func ingestRates(t *testing.T, things, messages, batch int, by way) ingestRate {
	t.Helper()
	const rounds = 3
	dir := t.TempDir()
	db, err := cloudstore.OpenSQLite(t.Context(), filepath.Join(dir, "cloud.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	committed := make(chan int, 4096)
	in := ingest.New(ingest.Config{Store: db, Ledger: deaf{}, LedgerInterval: time.Second, OnCommit: func(ps []cloudstore.Pour) { committed <- len(ps) }})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()

	var rates, ratios, floors []float64
	seq := make([]uint64, things)
	hand := by(t, in)
	for range rounds {
		var queue []func(context.Context) error
		for range messages {
			for i := range things {
				thing, records := fmt.Sprintf("unit-%d", i), [][]byte(nil)
				for range batch {
					seq[i]++
					records = append(records, record(t, thing, seq[i]))
				}
				queue = append(queue, hand(thing, wire.AppendBatch(nil, records...)))
			}
		}
		before := floor(t, dir, 500)
		began := time.Now()
		left := things * messages * batch
		handled := make(chan error, 1)
		go func() {
			for _, send := range queue {
				if err := send(ctx); err != nil {
					handled <- err
					return
				}
			}
			handled <- nil
		}()
		for limit := time.After(time.Minute); left > 0; {
			select {
			case n := <-committed:
				left -= n
			case <-limit:
				t.Fatalf("%d records are not committed", left)
			}
		}
		rate := float64(things*messages*batch) / time.Since(began).Seconds()
		if err := <-handled; err != nil {
			t.Fatal(err)
		}
		pages := (before + floor(t, dir, 500)) / 2
		rates, floors, ratios = append(rates, rate), append(floors, pages), append(ratios, rate/pages)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if c, err := db.Counts(t.Context()); err != nil || c.Pours != int64(rounds*things*messages*batch) || c.Conflicts+c.Quarantined > 0 {
		t.Fatalf("%+v %v", c, err)
	}
	return ingestRate{Quantile(rates, 0.5), Quantile(floors, 0.5), Quantile(ratios, 0.5)}
}

// sizeOf builds a command as make build-all does and returns its megabytes.
func sizeOf(t *testing.T, dir, command string) float64 {
	t.Helper()
	path := filepath.Join(dir, command)
	run(t, []string{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "fountain/cmd/"+command)
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return float64(st.Size()) / 1e6
}

func measureSize(t *testing.T, emit func(Figure)) {
	dir := t.TempDir()
	for _, c := range []struct{ name, command, goal string }{
		{"size/agent_arm64", "fountaind", "value<=25"},
		{"size/guard_arm64", "fountain-guard", "value<=10"},
	} {
		emit(Figure{Name: c.name, Value: sizeOf(t, dir, c.command), Unit: "MB, static, stripped", Goal: c.goal})
	}
}

// rss of a process in MB, as the kernel says.
func rss(t *testing.T, pid int) float64 {
	t.Helper()
	return status(t, pid, "VmRSS")
}

// status is a size of a process, in MB.
func status(t *testing.T, pid int, what string) float64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var kb float64
		if n, _ := fmt.Sscanf(line, what+": %f kB", &kb); n == 1 {
			return kb * 1024 / 1e6
		}
	}
	t.Fatalf("process %d has no %s", pid, what)
	return 0
}
