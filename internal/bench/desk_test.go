package bench

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"fountain/agent/api"
	"fountain/internal/desk"
	"fountain/sync/wire"
)

func run(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// built returns where a package's commands are: -bin, or a directory they are built into here.
func built(t *testing.T, pkg string) string {
	t.Helper()
	if *binDir != "" {
		return *binDir
	}
	dir := t.TempDir()
	run(t, []string{"CGO_ENABLED=0"}, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/", pkg)
	return dir
}

// plainDesk is a desk of one unit without a screen, its directory gone with the test.
func plainDesk(t *testing.T) desk.Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "bench") // short: socket paths have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // of the operating system's own directory for such
	return desk.Config{Dir: dir, Bin: built(t, "fountain/cmd/..."), Seed: 1, SwapCup: 200 * time.Millisecond, NoUI: true}
}

func startDesk(ctx context.Context, t *testing.T, cfg desk.Config) *desk.Desk {
	t.Helper()
	d, err := desk.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// measureDesk starts a desk, pours on it, and looks at its processes; then it runs the real screens in this process, on
// that desk's agent, with a display in memory and a scripted finger.
func measureDesk(t *testing.T, emit func(Figure)) {
	cfg := plainDesk(t)
	cfg.NoUI = false
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	d := startDesk(ctx, t, cfg)
	defer d.Stop()
	u := d.Units[0]
	pourOn(ctx, t, u)
	time.Sleep(2 * time.Second) // the uplink and the collector come to rest
	emit(Figure{Name: "size/agent_rss", Value: rss(t, u.Agent.PID()), Unit: "MB after three pours", Goal: "value<=60"})
	emit(Figure{Name: "size/guard_rss", Value: rss(t, u.Guard.PID()), Unit: "MB after three pours", Goal: "value<=10"})
	measureScreen(ctx, t, u, emit)
	measureStart(ctx, t, u, cfg.Bin, emit)
}

// pourOn pours three portions with the terminal's own call.
func pourOn(ctx context.Context, t *testing.T, u *desk.Unit) {
	t.Helper()
	c := api.NewClient(u.Socket(api.ServiceSocket))
	defer c.Close()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if s, err := c.Status(ctx); err == nil && s.Unit == api.UnitReady {
			break
		} else if time.Now().After(end) {
			t.Fatalf("the unit is not ready: %+v %v", s, err)
		}
	}
	drinks := theMenu(t).drinks
	for done, tries := 0, 0; done < 3; tries++ {
		p, err := c.Hold(ctx, api.StartPour{Beverage: drinks[done*20].ID, TargetUL: 150_000, Mode: api.ModePortion, Source: wire.SourceService}, nil)
		switch {
		case err == nil && p.Outcome == string(wire.Completed):
			done++
		case tries < 10: // a host that stood still for 100 ms ends a pour; sizes are measured here, not pours
			t.Logf("pour %s again: %s %s %v", drinks[done*20].ID, p.Outcome, p.Reason, err)
			time.Sleep(time.Second)
		default:
			t.Fatalf("pour %s: %+v %v", drinks[done*20].ID, p, err)
		}
	}
}
