//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fountain/internal/problem"
)

// onDisk runs a test in a process of its own with a file system of that many bytes, and gives its directory; in the
// parent it returns "" when the child is done.
func onDisk(t *testing.T, size int64) string {
	t.Helper()
	const env = "FOUNTAIN_STORE_SMALL_DISK"
	if dir := os.Getenv(env); dir != "" {
		if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), env+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		t.Logf("%s", out)
	case errors.As(err, &exit):
		t.Fatalf("%v\n%s", err, out)
	default: // the kernel gives us no mount namespace
		t.Skipf("no file system of its own here (%v): TestDiskFull and TestSpacePolicy prove the same with a limit and an injected figure", err)
	}
	return ""
}

func fileOf(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(allocate(f, size), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A small disk fills up with pours that nobody takes. Caches go before logs, logs before acknowledged pours, the ballast
// last, and then no pour begins; none that was recorded is lost, acknowledging works, and with room again it goes on.
func TestSmallDisk(t *testing.T) {
	const mib = 1 << 20
	dir := onDisk(t, 24*mib)
	if dir == "" {
		return
	}
	o := Options{SegmentBytes: mib, LowSpace: 8 * mib, CriticalSpace: 6 * mib, Ballast: 4 * mib}
	s := open(t, filepath.Join(dir, "pours"), o)
	var order []string
	shed := func(name string, at SpaceState) Shedder {
		path := filepath.Join(dir, name)
		fileOf(t, path, 3*mib)
		return Shedder{Name: name, At: at, Shed: func(context.Context) error {
			if err := os.Remove(path); err == nil {
				order = append(order, name)
			}
			return nil
		}}
	}
	rules := []Shedder{shed("caches", SpaceLow), shed("logs", SpaceLow), {Name: "acknowledged", At: SpaceCritical, Shed: func(ctx context.Context) error {
		if n := s.Stats().Segments; n > 0 {
			defer func() {
				if s.Stats().Segments < n {
					order = append(order, "acknowledged")
				}
			}()
		}
		return s.RetireAcked(ctx)
	}}}
	log := s.Log()
	big := strings.Repeat("x", 60<<10)
	refused := uint64(0)
	for n := uint64(1); n < 1000; n++ {
		before := s.Space()
		sp, _, err := s.MakeRoom(t.Context(), rules)
		if err != nil {
			t.Fatal(err)
		}
		if before.Ballast && !sp.Ballast {
			order = append(order, "ballast")
		}
		if n == 2 && !sp.Ballast {
			t.Fatalf("no ballast with %d free", sp.Free)
		}
		id := fmt.Sprint(n)
		if err := s.PutIntent(id, nil); err != nil {
			if refused = n; code(err) != problem.CodeNotWritable || !sp.Refusing && !s.Space().Refusing {
				t.Fatalf("intent %d: %v with %+v", n, err, s.Space())
			}
			break
		}
		// Whatever began can be recorded.
		if _, err := s.Append(t.Context(), id, func(l string, q uint64) ([]byte, error) { return append(body(l, q), big...), nil }); err != nil {
			t.Fatalf("record %d with %+v: %v", n, s.Space(), err)
		}
		if n == 40 {
			if err := s.SetAcked(30); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("refused pour %d, gave up %v, now %+v", refused, order, s.Space())
	if !slices.Equal(order, []string{"caches", "logs", "acknowledged", "ballast"}) {
		t.Errorf("order %v", order)
	}
	if refused < 100 {
		t.Fatalf("only %d pours fit", refused)
	}
	last := s.Last()
	if last != refused-1 || s.Log() != log {
		t.Fatalf("last %d", last)
	}
	// A restart on the full disk.
	closeNow(t, s)
	s = open(t, filepath.Join(dir, "pours"), o)
	if s.Log() != log || s.Last() != last || len(s.Damages()) > 0 {
		t.Fatalf("reopened: %+v %v", s.Stats(), s.Damages())
	}
	for from := s.Logs()[0].Oldest; from <= last; from++ {
		list, err := s.Read(from, 1, 1)
		if err != nil || len(list) != 1 || list[0].Seq != from || string(list[0].Body) != string(body(log, from))+big {
			t.Fatalf("record %d: %v, %v", from, list, err)
		}
	}
	if err := s.PutIntent("no", nil); err == nil {
		t.Error("a pour begins")
	}
	if err := s.SetAcked(last); err != nil {
		t.Errorf("acknowledge on a full disk: %v", err)
	}
	rules[2].Shed = s.RetireAcked
	if sp, _, err := s.MakeRoom(t.Context(), rules); err != nil || sp.State != SpaceOK || sp.Refusing {
		t.Errorf("after everything was acknowledged: %+v, %v", sp, err)
	}
	if sp, _, err := s.MakeRoom(t.Context(), rules); err != nil || !sp.Ballast {
		t.Errorf("no new ballast: %+v, %v", sp, err)
	}
	add(t, s, "")
}

// What the cloud has is given up in 2066 too, or by a clock that says so.
func TestRetireAckedByAnyClock(t *testing.T) {
	s := open(t, t.TempDir(), Options{SegmentCount: 3, Now: func() time.Time { return time.Date(2066, 1, 2, 3, 4, 5, 0, time.UTC) }})
	for range 10 {
		add(t, s, "")
	}
	if err := s.SetAcked(10); err != nil {
		t.Fatal(err)
	}
	if err := s.RetireAcked(t.Context()); err != nil || s.Stats().Segments != 1 {
		t.Errorf("%d segments are left, %v", s.Stats().Segments, err)
	}
}

// Every write of the store meets a full disk: it fails whole or succeeds whole, and with room again the store goes on.
func TestNoRoomAtEveryWrite(t *testing.T) {
	dir := onDisk(t, 4<<20)
	if dir == "" {
		return
	}
	failures := map[string]int{}
	for room := int64(0); room <= 80; room++ { // pages
		home := filepath.Join(dir, "pours")
		o := Options{SegmentCount: 3, SegmentBytes: 512 << 10, Ballast: -1, Statfs: func(string) (uint64, uint64, error) { return 0, 0, nil }}
		s := open(t, home, o)
		log := s.Log()
		want := map[uint64]string{}
		last, acked := uint64(0), uint64(0)
		try := func(what string, err error) bool {
			if err != nil {
				failures[what]++
			}
			return err == nil
		}
		round := func(n int) {
			id := fmt.Sprint("i", n)
			if !try("intent", s.PutIntent(id, []byte("{}"))) {
				return
			}
			text := fmt.Sprintf("pour %d %s", n, strings.Repeat("x", 3000))
			seq, err := s.Append(context.Background(), id, func(string, uint64) ([]byte, error) { return []byte(text), nil })
			if s.Log() != log { // a commit of which nobody knows whether it is durable ends the log
				failures["renewed"]++
				log, last, acked, want = s.Log(), 0, 0, map[uint64]string{}
			}
			if try("append", err) {
				if seq != last+1 {
					t.Fatalf("room %d: seq %d after %d", room, seq, last)
				}
				last, want[seq] = seq, text
			}
			if last > acked+1 && try("acknowledge", s.SetAcked(last-1)) {
				acked = last - 1
			}
			if n == 4 || n == 5 || n == 11 { // more than state.db has room for
				try("setting", s.PutSetting("big", make([]byte, 600<<10)))
			}
			_, err = s.Retire(t.Context(), s.o.Now().Add(2*DefaultRetain))
			try("retire", err)
		}
		round(0)
		filler := filepath.Join(dir, "filler")
		free, _, err := statfs(dir)
		if err != nil {
			t.Fatal(err)
		}
		fileOf(t, filler, int64(free)-room*pageSize)
		for n := 1; n <= 9; n++ {
			round(n)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		for n := 10; n <= 12; n++ {
			was := last
			if round(n); last != was+1 {
				t.Fatalf("room %d: with room again the store does not go on", room)
			}
		}
		closeNow(t, s)
		s = open(t, home, o)
		if s.Log() != log || s.Last() != last || s.Acked() != acked || len(s.Damages()) > 0 {
			t.Fatalf("room %d: reopened %+v %v, want %d %d of %s", room, s.Stats(), s.Damages(), last, acked, log)
		}
		for seq := s.Logs()[len(s.Logs())-1].Oldest; seq <= last; seq++ {
			list, err := s.Read(seq, 1, 1)
			if err != nil || len(list) != 1 || list[0].Seq != seq || string(list[0].Body) != want[seq] {
				t.Fatalf("room %d: record %d: %v, %v", room, seq, list, err)
			}
		}
		closeNow(t, s)
		if err := os.RemoveAll(home); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("failures %v", failures)
	if failures["setting"] == 0 || failures["append"] == 0 {
		t.Error("the disk was never full where it should be")
	}
	// Intents and acknowledgements always fit: state.db has its room from the start.
	if failures["intent"]+failures["acknowledge"]+failures["retire"] > 0 {
		t.Error("more than records failed")
	}
}

// The policy by an injected figure.
func TestSpacePolicy(t *testing.T) {
	free, size := uint64(1<<30), uint64(16<<30)
	o := small()
	o.Statfs = func(string) (uint64, uint64, error) { return free, size, nil }
	s := open(t, t.TempDir(), o)
	add(t, s, "")
	var shed []string
	rule := func(name string, at SpaceState, brings uint64) Shedder {
		return Shedder{Name: name, At: at, Shed: func(context.Context) error {
			shed, free = append(shed, name), free+brings
			return nil
		}}
	}
	for _, c := range []struct {
		free     uint64
		state    SpaceState
		ballast  bool
		refusing bool
		shed     []string
	}{
		{1 << 30, SpaceOK, true, false, nil},
		{300 << 20, SpaceOK, true, false, []string{"cache"}}, // 2 % of 16 GiB are 328 MiB
		{290 << 20, SpaceOK, true, false, []string{"cache", "log"}},
		{100 << 20, SpaceLow, true, false, []string{"cache", "log"}},
		{9 << 20, SpaceLow, true, false, []string{"cache", "log"}},
		{1 << 19, SpaceLow, true, false, []string{"cache", "log"}},
	} {
		free, shed = c.free, nil
		sp, _, err := s.MakeRoom(t.Context(), []Shedder{rule("cache", SpaceLow, 30<<20), rule("log", SpaceLow, 20<<20), rule("acked", SpaceCritical, 0)})
		if err != nil || sp.State != c.state || sp.Ballast != c.ballast || sp.Refusing != c.refusing || !slices.Equal(shed, c.shed) {
			t.Errorf("%d MiB free: %+v, gave up %v, %v; want %+v", c.free>>20, sp, shed, err, c)
		}
	}
	none := []Shedder{rule("acked", SpaceCritical, 0)}
	free, shed = 10<<20, nil
	if sp, _, err := s.MakeRoom(t.Context(), none); err != nil || sp.State != SpaceCritical || !sp.Ballast || len(shed) != 1 {
		t.Errorf("critical: %+v %v %v", sp, shed, err)
	}
	free = 1 << 19 // faster than anybody looks
	if err := s.PutIntent("x", nil); err != nil || s.Space().Ballast {
		t.Errorf("the ballast is not given up for a pour: %v", err)
	}
	free = 1 << 30
	if sp, _, err := s.MakeRoom(t.Context(), none); err != nil || !sp.Ballast {
		t.Errorf("no new ballast: %+v %v", sp, err)
	}
	free = 3 << 20
	if sp, _, err := s.MakeRoom(t.Context(), none); err != nil || sp.Ballast || sp.Refusing {
		t.Errorf("the ballast stays: %+v %v", sp, err)
	}
	free = 1 << 19
	if err := s.PutIntent("x", nil); code(err) != problem.CodeNotWritable || !s.Space().Refusing {
		t.Errorf("a pour begins without room: %v", err)
	}
	if _, err := s.Append(t.Context(), "", func(l string, q uint64) ([]byte, error) { return body(l, q), nil }); err != nil {
		t.Errorf("a record is refused without need: %v", err)
	}
	free = 1 << 30
	if err := s.PutIntent("x", nil); err != nil {
		t.Error(err)
	}
	if sp, _, err := s.MakeRoom(t.Context(), none); err != nil || !sp.Ballast {
		t.Errorf("no new ballast: %+v %v", sp, err)
	}
	closeNow(t, s)
	if s = open(t, s.dir, o); !s.Space().Ballast || len(s.Damages()) > 0 {
		t.Error("the ballast is not found again")
	}
}
