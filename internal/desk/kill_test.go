package desk

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"fountain/agent/beat"
	"fountain/hal/sim"
	"fountain/sync/wire"
)

// TestKillMidPour ends each process in the middle of a pour: MASTER shuts, nothing resumes, exactly one interrupted
// record says what flowed, and the cloud has it once.
// Peers: reef-pi's pumps come back on (#719), PiTender's never stop (#1).
func TestKillMidPour(t *testing.T) {
	for _, tc := range []struct {
		name string
		kill func(*testing.T, *Desk, *Unit)
	}{
		{"agent killed", func(t *testing.T, _ *Desk, u *Unit) { signal(t, u.Agent, syscall.SIGKILL) }},
		{"agent stopped and continued", func(t *testing.T, _ *Desk, u *Unit) {
			signal(t, u.Agent, syscall.SIGSTOP)
			time.Sleep(1500 * time.Millisecond)
			masterShut(t, u)
			signal(t, u.Agent, syscall.SIGCONT)
		}},
		{"guard killed", func(t *testing.T, _ *Desk, u *Unit) { signal(t, u.Guard, syscall.SIGKILL) }},
		{"guard stopped and continued", func(t *testing.T, _ *Desk, u *Unit) {
			signal(t, u.Guard, syscall.SIGSTOP)
			stopped := time.Now()
			masterShut(t, u) // or the agent's own valves: nobody moves MASTER now
			t.Logf("the agent shut its valves at most %v after the guard was stopped", time.Since(stopped))
			signal(t, u.Guard, syscall.SIGCONT)
		}},
		{"plant killed", func(t *testing.T, _ *Desk, u *Unit) { signal(t, u.Plant, syscall.SIGKILL) }},
		{"cloud killed", func(t *testing.T, d *Desk, _ *Unit) { signal(t, d.Cloud, syscall.SIGKILL) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, u := startDesk(t, nil)
			u.awaitReady(t)
			ctx, release := context.WithCancel(t.Context())
			defer release()
			pour, released, stalls := u.midPour(ctx, t, 80_000)
			tc.kill(t, d, u)
			if tc.name == "cloud killed" { // no business of the pour: it goes on until the person lets go
				time.Sleep(500 * time.Millisecond)
				release()
			} else {
				masterShut(t, u)
			}
			<-released
			cup := stillCup(t, u)
			u.awaitReady(t)
			r := d.recordOf(t, pour)
			want := wire.Interrupted
			if tc.name == "cloud killed" && !hostStalled(r.Reason) {
				want = wire.Stopped
			}
			checkRecord(t, r, want, cup)
			checkStill(t, u, cup)
			if n := len(d.records(t)); n != 1+stalls {
				t.Errorf("the cloud has %d records, want %d", n, 1+stalls)
			}
		})
	}
}

// TestKillDeskMidPour ends fountain-desk itself: every child lets go and ends, and the next desk finds one record.
func TestKillDeskMidPour(t *testing.T) {
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(filepath.Join(bin, "fountain-desk"), "--dir", dir, "--no-ui", "--swap-cup", "0", "--seed", "1", "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	u := &Unit{Dir: filepath.Join(dir, "unit-1")}
	u.awaitReady(t)
	pour, released, stalls := u.midPour(t.Context(), t, 80_000)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	<-released

	var s sim.State
	await(t, patience, "the plant's last state shows MASTER shut", func() (bool, string) {
		if s, err = sim.ReadState(filepath.Join(u.Dir, "plant.state")); err != nil {
			return false, err.Error()
		}
		return !s.Master.Open, "open"
	})
	tellShut(t, u, s)
	await(t, patience, "every child ended", func() (bool, string) {
		out, _ := exec.Command("pgrep", "-f", dir+"/").Output() // no match is exit status 1
		return len(out) == 0, string(out)
	})
	if s, err = sim.ReadState(filepath.Join(u.Dir, "plant.state")); err != nil {
		t.Fatal(err)
	}

	d, u := startDesk(t, func(c *Config) { c.Dir = dir })
	u.awaitReady(t)
	checkRecord(t, d.recordOf(t, pour), wire.Interrupted, s.Cup.TotalUL)
	if n := len(d.records(t)); n != 1+stalls {
		t.Errorf("the cloud has %d records, want %d", n, 1+stalls)
	}
	checkStill(t, u, s.Cup.TotalUL)
}

func signal(t *testing.T, c *Child, sig syscall.Signal) {
	t.Helper()
	if err := c.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// masterShut waits until the plant says that MASTER is shut.
func masterShut(t *testing.T, u *Unit) {
	t.Helper()
	var s sim.State
	c := u.plant(t)
	await(t, patience, "MASTER or the carriers are shut", func() (bool, string) {
		var err error
		if s, err = c.State(t.Context()); err != nil {
			return false, err.Error()
		}
		for _, v := range s.Valves {
			if v.ID != s.Master.ID && v.Open && s.Master.Open {
				return false, "MASTER and " + v.ID + " are open"
			}
		}
		return true, ""
	})
	tellShut(t, u, s)
}

// tellShut prints the time from the guard's last beat to MASTER's line going shut.
func tellShut(t *testing.T, u *Unit, s sim.State) {
	t.Helper()
	l, err := beat.ReadLast(u.Socket(beat.LastName))
	if err != nil || !l.Packet.WantMaster || s.Master.Commanded {
		return // the agent lives: it shut its own valves and goes on beating
	}
	after := time.Duration(s.Master.CommandedShutNS) - l.BeatAt
	t.Logf("MASTER shut %v after the last beat (%v)", after.Round(100*time.Microsecond), l.Reason)
}

// stillCup waits until nothing flows any more and returns the cup's content, µL.
func stillCup(t *testing.T, u *Unit) int64 {
	t.Helper()
	c := u.plant(t)
	var last int64 = -1
	same := 0
	await(t, patience, "the cup is still", func() (bool, string) {
		s, err := c.State(t.Context())
		if err != nil {
			return false, err.Error()
		}
		if s.Cup.TotalUL == last {
			same++
		} else {
			last, same = s.Cup.TotalUL, 0
		}
		return same > 80, fmt.Sprintf("%d µL", last)
	})
	return last
}

// checkStill fails when anything but rounding was added to the cup.
func checkStill(t *testing.T, u *Unit, before int64) {
	t.Helper()
	if now := stillCup(t, u); now-before > 10 {
		t.Errorf("the pour resumed: the cup went from %d to %d µL", before, now)
	}
}

func checkRecord(t *testing.T, r wire.Record, want wire.Outcome, cup int64) {
	t.Helper()
	got := r.CountedUL + r.EstimatedUL
	t.Logf("%s (%s): counted %d + estimated %d = %d µL; cup %d µL, off by %+d", r.Outcome, r.Reason, r.CountedUL, r.EstimatedUL, got, cup, got-cup)
	if r.Outcome != want {
		t.Errorf("outcome %s (%s), want %s", r.Outcome, r.Reason, want)
	}
	if !within(got, cup) {
		t.Errorf("the record says %d µL, the cup holds %d µL", got, cup)
	}
}

// TestLoseTheScreenMidPour holds the dome on the touch screen and takes the browser, then the screen's process, away.
func TestLoseTheScreenMidPour(t *testing.T) {
	for _, tc := range []struct {
		name string
		lose func(*testing.T, *Unit, *finger)
		want wire.Outcome
	}{
		{"browser gone", func(_ *testing.T, _ *Unit, f *finger) { f.close() }, wire.Interrupted},
		{"screen killed", func(t *testing.T, u *Unit, _ *finger) { signal(t, u.UI, syscall.SIGKILL) }, wire.Interrupted},
		{"screen stopped and continued", func(t *testing.T, u *Unit, _ *finger) {
			signal(t, u.UI, syscall.SIGSTOP)
			time.Sleep(1500 * time.Millisecond)
			masterShut(t, u)
			signal(t, u.UI, syscall.SIGCONT)
		}, wire.Interrupted},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, u := startDesk(t, func(c *Config) { c.NoUI = false })
			u.awaitReady(t)
			f := u.openScreen(t)
			f.press(t, f.openFavourite(t))
			stalls, before := 0, ""
			for attempt := 1; !u.flowing(t, before, 80_000); attempt++ {
				f.lift(t)
				stalls += u.stalled(t, before, attempt)
				before = u.last(t).ID
				f.press(t, f.find(t, "beverage.pour"))
			}
			lost := time.Now()
			tc.lose(t, u, f)
			masterShut(t, u)
			t.Logf("MASTER shut at most %v after the loss", time.Since(lost).Round(time.Millisecond))
			cup := stillCup(t, u)
			var all []wire.Record
			await(t, patience, "the cloud has the pour", func() (bool, string) {
				all = d.records(t)
				return len(all) == 1+stalls, fmt.Sprint(len(all), " records")
			})
			checkRecord(t, all[stalls], tc.want, cup)
			if got := all[stalls].Reason; tc.name == "browser gone" && got != "screen_lost" && !hostStalled(got) {
				t.Errorf("reason %q, want screen_lost", got)
			}
			u.awaitReady(t)
			checkStill(t, u, cup)
		})
	}
}
