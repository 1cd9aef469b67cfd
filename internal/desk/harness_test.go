package desk

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/hal/sim"
	"fountain/hal/sim/panel"
	"fountain/sync/wire"
)

// binaries builds every command once per test run, as make build does but for -trimpath, which would compile anew
// what the tests before these have compiled.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fountain-bin-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", dir+"/", "fountain/cmd/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the commands: %w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir) // a leftover in the temporary directory harms nobody
	}
	os.Exit(code)
}

// startDesk starts a desk with one unit on free ports and stops it at the end of the test. On failure the logs of all
// children are printed.
func startDesk(t *testing.T, change func(*Config)) (*Desk, *Unit) {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "desk") // short: socket paths have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Dir: dir, Bin: bin, Seed: 1, NoUI: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Cloud: []string{"--ledger-interval", "500ms"}, Healthy: time.Second}
	if change != nil {
		change(&cfg)
	}
	t.Cleanup(func() {
		if t.Failed() {
			tellLogs(t, dir)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Log(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d, err := Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Stop)
	return d, d.Units[0]
}

func tellLogs(t *testing.T, dir string) {
	logs, err := filepath.Glob(filepath.Join(dir, "log", "*.log"))
	if err != nil {
		t.Log(err)
	}
	for _, path := range logs {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Log(err)
			continue
		}
		t.Logf("--- %s\n%s", filepath.Base(path), tail(b, 6000))
	}
}

func tail(b []byte, n int) []byte {
	if len(b) > n {
		return b[len(b)-n:]
	}
	return b
}

// client talks to the unit's service socket.
func (u *Unit) client(t *testing.T) *api.Client {
	t.Helper()
	c := api.NewClient(u.Socket(api.ServiceSocket))
	t.Cleanup(c.Close)
	return c
}

// plant observes and disturbs the unit's plant.
func (u *Unit) plant(t *testing.T) *panel.Control {
	t.Helper()
	c := panel.DialControl(u.Socket(sim.SocketName))
	t.Cleanup(c.Close)
	return c
}

// patience is far beyond what anything here takes: a laden host is no reason to fail. Deadlines of the product are asserted
// in virtual time, and on a kernel's lines in make test-device.
const patience = time.Minute

// await polls until f says done, and fails with what it last said.
func await(t *testing.T, limit time.Duration, what string, f func() (bool, string)) {
	t.Helper()
	last := ""
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		ok, said := f()
		if ok {
			return
		}
		last = said
	}
	t.Fatalf("%s: not within %v: %s", what, limit, last)
}

// awaitReady waits until the unit can pour.
func (u *Unit) awaitReady(t *testing.T) {
	t.Helper()
	c := u.client(t)
	await(t, patience, "unit is ready", func() (bool, string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s, err := c.Status(ctx)
		if err != nil {
			return false, err.Error()
		}
		return s.Unit == api.UnitReady, s.Unit + " " + s.Reason
	})
}

// hold starts a pour and beats until ctx ends or the agent is gone; it returns once flow was counted.
func (u *Unit) hold(ctx context.Context, t *testing.T, id beverage.ID, ml int64) (pour string, released <-chan struct{}) {
	t.Helper()
	pour, released, err := u.tryHold(ctx, t, id, ml)
	if err != nil {
		t.Fatalf("start a pour: %v", err)
	}
	return pour, released
}

// tryHold is hold of a unit that may not be able to.
func (u *Unit) tryHold(ctx context.Context, t *testing.T, id beverage.ID, ml int64) (pour string, released <-chan struct{}, err error) {
	t.Helper()
	l, p, err := u.client(t).Lease(ctx, api.StartPour{Beverage: id, TargetUL: ml * 1000, Mode: api.ModeHold, Source: wire.SourceService})
	if err != nil {
		return "", nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(api.BeatEvery)
		defer tick.Stop()
		for {
			l.Beat()
			select {
			case <-ctx.Done():
				_ = l.Stop() // the agent may be gone: that is what the tests do
				return
			case <-l.Ended():
				return
			case <-tick.C:
			}
		}
	}()
	return p.ID, done, nil
}

// flowing waits until the cup holds at least ul. It returns false when the pour after the one before ended earlier, or
// never began: a screen that a busy host holds up loses its finger.
func (u *Unit) flowing(t *testing.T, before string, ul int64) bool {
	t.Helper()
	c := u.plant(t)
	early, pressed := false, time.Now()
	await(t, patience, "the cup fills", func() (bool, string) {
		s, err := c.State(t.Context())
		if err != nil {
			return false, err.Error()
		}
		if s.Cup.TotalUL >= ul {
			return true, ""
		}
		p := u.last(t)
		early = p.ID != before && p.Phase == api.PhaseDone || p.ID == before && time.Since(pressed) > patience/4
		return early, fmt.Sprintf("%d µL", s.Cup.TotalUL)
	})
	return !early
}

// last is the unit's pour as it is now; its id is empty when there was none.
func (u *Unit) last(t *testing.T) api.Pour {
	t.Helper()
	s, err := u.client(t).Snapshot(t.Context())
	if err != nil || s.Pour == nil {
		return api.Pour{}
	}
	return *s.Pour
}

// over tells whether a pour after the one before has ended.
func (u *Unit) over(t *testing.T, before string) bool {
	t.Helper()
	p := u.last(t)
	return p.ID != before && p.Phase == api.PhaseDone
}

// stalled is for a pour that ended by itself, or never began: when the host did not run the control processes for so long
// that they let go, which is what they must do, it makes the unit ready for another attempt; else it fails. It returns how
// many records that left.
func (u *Unit) stalled(t *testing.T, before string, attempt int) (records int) {
	t.Helper()
	switch p := u.last(t); {
	case attempt == 5:
		t.Fatalf("five pours ended by themselves, the last: %s (%s)", p.Outcome, p.Reason)
	case p.ID == before:
		t.Log("the press began no pour; once more")
	case p.Phase == api.PhaseDone && hostStalled(p.Reason):
		t.Logf("the host stalled and the pour ended: %s; once more", p.Reason)
		records = 1
	default:
		t.Fatalf("the pour ended by itself: %s (%s)", p.Outcome, p.Reason)
	}
	u.awaitReady(t)
	if _, err := u.plant(t).NewCup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return records
}

// hostStalled tells whether a pour ended because the host did not run somebody in time.
func hostStalled(reason string) bool {
	return slices.Contains([]string{"guard_gone", "loop_gap", "lease_lost", "screen_lost"}, reason)
}

// midPour holds a pour until the cup holds at least ul, and leaves it flowing. stalls counts the attempts that the host
// spoilt; each has its record.
func (u *Unit) midPour(ctx context.Context, t *testing.T, ul int64) (pour string, released <-chan struct{}, stalls int) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		before := u.last(t).ID
		pour, released = u.hold(ctx, t, "lemonpark.classic", 590)
		if u.flowing(t, before, ul) {
			return pour, released, stalls
		}
		stalls += u.stalled(t, before, attempt)
	}
}

// records reads what the cloud has stored, in order.
func (d *Desk) records(t *testing.T) []wire.Record {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "fountain-cloud"), "consumption", "export", "--json", "--dir", filepath.Join(d.dir, "cloud"))
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("export: %v: %s", err, stderr.String())
	}
	var all []wire.Record
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
		r, err := wire.DecodeRecord(sc.Bytes())
		if err != nil {
			t.Fatalf("the cloud stored %s: %v", sc.Text(), err)
		}
		all = append(all, *r)
	}
	return all
}

// recordOf waits until the cloud has pour exactly once and returns it.
func (d *Desk) recordOf(t *testing.T, pour string) wire.Record {
	t.Helper()
	var found []wire.Record
	await(t, patience, "the cloud has pour "+pour, func() (bool, string) {
		found = found[:0]
		all := d.records(t)
		for _, r := range all {
			if r.ID == pour {
				found = append(found, r)
			}
		}
		return len(found) > 0, fmt.Sprintf("%d other records", len(all))
	})
	if len(found) != 1 {
		t.Fatalf("pour %s is in the cloud %d times", pour, len(found))
	}
	return found[0]
}

// within reports whether got is within 2 % or 5 ml of want (DESIGN 3), whichever is larger. Both in µL.
func within(got, want int64) bool {
	d := got - want
	if d < 0 {
		d = -d
	}
	return d <= max(want/50, 5000)
}

// long tells whether the slow proofs run (make test-long).
func long() bool { return strings.TrimSpace(os.Getenv("FOUNTAIN_LONG")) != "" }
