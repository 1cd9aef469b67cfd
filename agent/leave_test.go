package agent

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/machine"
	"fountain/cloud/store"
	"fountain/internal/problem"
	"fountain/sync/provision"
	"fountain/sync/wire"
)

// TestDecommission: refused while a pour is on the unit only; then the cloud takes the certificate away, the key is gone,
// nothing pours, over a restart too; back in service only after the serial is released.
func TestDecommission(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		desk := leaveDesk{v.a}
		water := v.some("water.still", "", "")
		c.down(true)
		v.await("offline", time.Minute, func() bool { return !v.a.cloud.online() })
		v.pour(water, 100_000)
		for _, tc := range []struct {
			in   api.Decommission
			code string
		}{
			{api.Decommission{Person: "ada"}, problem.CodeUnsafe},
			{api.Decommission{Person: "ada", KeepUnsent: true}, problem.CodeUnreachable},
		} {
			if _, err := desk.Leave(v.t.Context(), tc.in); problem.From(err).Code != tc.code {
				t.Errorf("%+v: %v", tc.in, err)
			}
		}
		c.down(false)
		c.acknowledges(v, 1)
		v.await("everything is sent", 5*time.Minute, func() bool { return v.a.cloud.online() && v.a.unsent() == 0 })
		thing := v.thing()
		if l, err := desk.Leave(v.t.Context(), api.Decommission{Person: "ada"}); err != nil || l.State != api.Leaves {
			t.Fatal(l, err)
		}
		v.await("it has left", time.Minute, func() bool { return desk.State().State == api.Left })
		if n, active := c.certificates(thing); n != 1 || active != "" {
			t.Errorf("%d certificates, active %q", n, active)
		}
		if keys, _ := filepath.Glob(filepath.Join(v.a.cloud.dir(), "device*")); len(keys) > 0 {
			t.Errorf("left: %v", keys)
		}
		c.forgive()
		refused := func(v *virtual) {
			t.Helper()
			if _, err := v.start(water, 100_000); err == nil {
				t.Error("a decommissioned unit pours")
			}
			if !v.a.board.Has(alarm.Decommissioned, "") || v.a.cloud.status().State != cloudLeft {
				t.Errorf("%+v", v.a.cloud.status())
			}
		}
		refused(v)
		v.stop()
		v = c.start()
		desk = leaveDesk{v.a}
		time.Sleep(10 * time.Minute)
		refused(v)
		if l := desk.State(); l.State != api.Left || l.Thing != thing || l.By != "ada" || v.a.cloud.status().Certificate != "" {
			t.Errorf("after a restart: %+v %+v", l, v.a.cloud.status())
		}
		if l, err := desk.Return(v.t.Context(), api.Recommission{Person: "ada"}); err != nil || l.State != api.InService {
			t.Fatal(l, err)
		}
		v.await("the claim is refused", 5*time.Minute, func() bool { return v.a.board.Has(alarm.NotProvisioned, "") })
		if err := c.db.Release(v.t.Context(), v.a.serial); err != nil {
			t.Fatal(err)
		}
		v.await("it is claimed again", 15*time.Minute, v.a.cloud.online)
		v.pour(water, 100_000)
		c.forgive()
	})
}

// TestLeavingOutlivesTheProcess: a process that ends right after a person's word pours nothing when it comes back, tells
// the cloud and wipes itself.
func TestLeavingOutlivesTheProcess(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		thing := v.thing()
		if l, err := (leaveDesk{v.a}).Leave(v.t.Context(), api.Decommission{Person: "ada"}); err != nil || l.State != api.Leaves {
			t.Fatal(l, err)
		}
		v.stop()
		if _, active := c.certificates(thing); active == "" {
			t.Fatal("the cloud was told already: this shows nothing")
		}
		v = c.start()
		if _, err := v.start(v.some("water.still", "", ""), 100_000); err == nil {
			t.Error("a unit that leaves pours")
		}
		v.await("it has left", time.Minute, func() bool { return (leaveDesk{v.a}).State().State == api.Left })
		if n, active := c.certificates(thing); n != 1 || active != "" {
			t.Errorf("%d certificates, active %q", n, active)
		}
		if keys, err := filepath.Glob(filepath.Join(v.a.cloud.dir(), "device*")); err != nil || len(keys) > 0 {
			t.Errorf("left: %v %v", keys, err)
		}
		c.forgive()
	})
}

// TestLeavingWithoutAnAnswer: the cloud takes the certificate away and cuts the unit off before its answer arrives. The
// unit is wiped soon after, yet not while it merely cannot reach the cloud.
func TestLeavingWithoutAnAnswer(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		desk := leaveDesk{v.a}
		_, active := c.certificates(v.thing())
		c.down(true)
		v.await("offline", time.Minute, func() bool { return !v.a.cloud.online() })
		if err := provision.Leave(v.a.cloud.dir(), provision.Leaving{Thing: v.thing(), By: "ada", At: time.Now(), Asked: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if l := desk.State(); l.State != api.Leaves {
			t.Errorf("without a line: %+v", l)
		}
		if err := c.db.SetCertificateStatus(v.t.Context(), active, store.CertInactive, time.Now().UnixMilli()); err != nil {
			t.Fatal(err)
		}
		c.down(false)
		v.await("it has left", leaveAnyway-2*time.Minute, func() bool { return desk.State().State == api.Left })
		c.forgive()
	})
}

// TestJobDecommission: the job is reported before the identity is wiped.
func TestJobDecommission(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		v.pour(v.some("water.still", "", ""), 100_000)
		c.job(v.thing(), "bye", `{"v":1,"operation":"decommission"}`)
		time.Sleep(time.Minute)
		if (leaveDesk{v.a}).State().State != api.InService {
			t.Error("it left before the pour was sent")
		}
		c.acknowledges(v, 1)
		if status, details := v.jobEnds(c, "bye", 30*time.Minute); status != wire.JobSucceeded || details["unsent"] != "0" {
			t.Errorf("%s %v", status, details)
		}
		v.await("it has left", time.Minute, func() bool { return (leaveDesk{v.a}).State().State == api.Left })
		if c.seqs(v.a.store.Log()) != 1 {
			t.Error("the pour was not sent first")
		}
		c.forgive()
	})
}

// farLine is a line to a cloud that is far away: what the unit says takes a while.
type farLine struct {
	net.Conn
	said  chan said
	ended chan struct{}
	once  sync.Once
}

type said struct {
	arrives time.Time
	b       []byte
}

const farAway = 300 * time.Millisecond

func newFarLine(conn net.Conn) net.Conn {
	l := &farLine{Conn: conn, said: make(chan said, 1024), ended: make(chan struct{})}
	go func() {
		for {
			select {
			case s := <-l.said:
				select {
				case <-time.After(time.Until(s.arrives)):
					_, _ = l.Conn.Write(s.b) // who reads sees the end
				case <-l.ended:
				}
			case <-l.ended:
				return
			}
		}
	}()
	return l
}

func (l *farLine) Write(b []byte) (int, error) {
	select {
	case l.said <- said{time.Now().Add(farAway), bytes.Clone(b)}:
		return len(b), nil
	case <-l.ended:
		return 0, net.ErrClosed
	}
}

func (l *farLine) Close() error {
	l.once.Do(func() { close(l.ended) })
	return l.Conn.Close()
}

// TestJobDecommissionFarAway: nothing tells the cloud that the unit leaves before the job is reported, for it cuts the
// unit off at that word.
func TestJobDecommissionFarAway(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		near := v.a.deps.Dial
		v.a.deps.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := near(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return newFarLine(conn), nil
		}
		c.down(true)
		v.await("offline", time.Minute, func() bool { return !v.a.cloud.online() })
		v.a.cloud.endSession(errMoved)
		c.down(false)
		v.await("online again", 5*time.Minute, v.a.cloud.online)
		time.Sleep(2*healthAlarm + time.Second) // what stands now is told at once
		c.job(v.thing(), "bye", `{"v":1,"operation":"decommission"}`)
		if status, details := v.jobEnds(c, "bye", 10*time.Minute); status != wire.JobSucceeded {
			t.Errorf("%s %v", status, details)
		}
		v.await("it has left", time.Minute, func() bool { return (leaveDesk{v.a}).State().State == api.Left })
		c.forgive()
	})
}

// begins is a pour that has passed every look when it is called, and begins a minute later.
func (v *virtual) begins(done *atomic.Bool) {
	v.a.begins.Add(1)
	time.AfterFunc(time.Minute, func() {
		defer v.a.begins.Add(-1)
		id, err := v.a.machine.Start(v.t.Context(), machine.StartRequest{Beverage: v.some("water.still", "", ""), TargetUL: 100_000, Source: wire.SourceService})
		if err != nil {
			v.t.Error(err)
		}
		v.leases.Go(func() {
			for v.a.machine.Beat(id) == nil {
				time.Sleep(api.BeatEvery)
			}
		})
		done.Store(true)
	})
}

// TestLeavingWaitsForWhatBegins: a pour that is about to begin when the unit is taken out of service comes to the cloud
// first; nothing begins any more while that is made sure of.
func TestLeavingWaitsForWhatBegins(t *testing.T) {
	t.Run("job", func(t *testing.T) {
		onlineUnit(t, nil, func(v *virtual, c *localCloud) {
			var began atomic.Bool
			v.begins(&began)
			c.job(v.thing(), "bye", `{"v":1,"operation":"decommission"}`)
			v.await("it is held back", time.Minute, v.a.leaving.Load)
			if _, err := v.start(v.some("water.still", "", ""), 100_000); !refusedAs(err, problem.CodeUnavailable) {
				t.Errorf("another pour: %v", err)
			}
			v.await("the pour is recorded", 2*time.Minute, func() bool { return began.Load() && !v.a.machine.Busy() })
			time.Sleep(10 * time.Second)
			if l := (leaveDesk{v.a}).State(); l.State != api.InService || l.Unsent != 1 {
				t.Errorf("%+v with a pour that is not sent", l)
			}
			v.pour(v.some("water.still", "", ""), 100_000) // while it waits, guests are served
			c.acknowledges(v, 2)
			if status, details := v.jobEnds(c, "bye", 30*time.Minute); status != wire.JobSucceeded || details["unsent"] != "0" {
				t.Errorf("%s %v", status, details)
			}
			v.await("it has left", time.Minute, func() bool { return (leaveDesk{v.a}).State().State == api.Left })
			c.forgive()
		})
	})
	t.Run("person", func(t *testing.T) {
		onlineUnit(t, nil, func(v *virtual, c *localCloud) {
			var began atomic.Bool
			v.begins(&began)
			desk := leaveDesk{v.a}
			if l, err := desk.Leave(v.t.Context(), api.Decommission{Person: "ada"}); !refusedAs(err, problem.CodeBusy) || l.State != api.InService || !began.Load() {
				t.Errorf("%+v %v, begun %v", l, err, began.Load())
			}
			v.await("the pour is recorded", time.Minute, func() bool { return !v.a.machine.Busy() })
			v.pour(v.some("water.still", "", ""), 100_000) // nothing is held back any more
		})
	})
}

// A disk that does not answer for a moment takes no unit out of service: there is no way back from that.
func TestUnreadableIsNotLeaving(t *testing.T) {
	a := &Agent{board: alarm.New(nil), log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	a.cfg.State = t.TempDir()
	c := &cloud{a: a}
	file := filepath.Join(c.dir(), provision.LeavingFile)
	if err := os.MkdirAll(file, 0o700); err != nil { // reads as an error that is not that it is missing
		t.Fatal(err)
	}
	c.showLeaving()
	if l, ok := c.leavingNow(); ok || a.board.Has(alarm.Decommissioned, "") {
		t.Errorf("it leaves: %+v", l)
	}
	a.board.Set(alarm.Alarm{Name: alarm.Decommissioned})
	if c.showLeaving(); !a.board.Has(alarm.Decommissioned, "") {
		t.Error("it is back in service")
	}
	if err := errors.Join(os.Remove(file), os.WriteFile(file, []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.leavingNow(); !ok {
		t.Error("a damaged file counts as none")
	}
}
