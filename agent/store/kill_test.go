//go:build linux && (amd64 || arm64)

package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fountain/internal/crash"
)

func TestMain(m *testing.M) {
	crash.Main()
	for env, main := range map[string]func(string) error{lifeEnv: liveFromEnv, openEnv: openFromEnv} {
		if value := os.Getenv(env); value != "" {
			if err := main(value); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	if err := flag.Set("rapid.checks", "30"); err != nil { // the command line can ask for more
		panic(err)
	}
	os.Exit(m.Run())
}

// long tells whether the slow proofs run (make test-long).
func long() bool { return os.Getenv("FOUNTAIN_LONG") != "" }

// seed is printed with every result and can be given.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := uint64(20260101)
	if long() {
		s = uint64(time.Now().UnixNano())
	}
	if v := os.Getenv("FOUNTAIN_SEED"); v != "" {
		var err error
		if s, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// killed counts kills by what the store was doing and by the call that never happened.
type killed struct {
	mu           sync.Mutex
	n            int
	phase, call  map[string]int
	lives, pours int
}

func (k *killed) String() string {
	list := func(m map[string]int) string {
		var out []string
		for _, name := range slices.Sorted(maps.Keys(m)) {
			out = append(out, fmt.Sprintf("%s %d", name, m[name]))
		}
		return strings.Join(out, ", ")
	}
	return fmt.Sprintf("%d kills in %d lives with %d pours; during: %s; before: %s", k.n, k.lives, k.pours, list(k.phase), list(k.call))
}

// lane kills one life after the other, each unit many times, and judges every unit at its end.
type lane struct {
	t     *testing.T
	rnd   *rand.Rand
	seed  uint64
	wrong wrong
	tell  *killed
}

const (
	killsOfUnit = 40 // then its cloud is settled
	poursOfLife = 30
)

// units kills n times at least, or until something goes wrong, and returns what.
func (a *lane) units(n int, kills func() int) (all faults) {
	for kills() < n && len(all.count) == 0 {
		all.merge(a.unit())
	}
	return all
}

// unit is one store from its creation on.
func (a *lane) unit() *faults {
	p, c := newPromises(), newCloud(a.wrong)
	dir := filepath.Join(a.t.TempDir(), "store")
	first := a.rnd.Uint64()
	number := 0
	most := killsOfUnit
	if a.wrong != "" {
		most /= 2 // the sooner it is settled
	}
	for kills := 0; kills < most; number++ {
		l := a.plan(life{Dir: dir, Number: number, Seed: first, Pours: poursOfLife, Copies: true, Wrong: a.wrong})
		done, err := a.live(l, p, c)
		if err != nil {
			p.add(isFailed, "life %d: %v", number, err)
			return c.settle(p)
		}
		if a.rnd.IntN(2) == 0 {
			c.lose()
		}
		if !done {
			kills++
		}
	}
	for range 20 { // the last lives end by themselves and deliver everything
		if _, err := a.live(life{Dir: dir, Number: number, Seed: first, Wrong: a.wrong}, p, c); err != nil {
			p.add(isFailed, "last life: %v", err)
			break
		}
		number++
		if c.store(); len(c.queue) == 0 {
			break
		}
	}
	a.tell.mu.Lock()
	a.tell.lives += number
	a.tell.pours += len(p.at)
	a.tell.mu.Unlock()
	return c.settle(p)
}

// plan draws where a life ends: at a call of what the store is doing then, at a call of a kind, or at a random time.
func (a *lane) plan(l life) life {
	type aim struct {
		in   string
		op   crash.Op
		most int
	}
	aims := []aim{
		{in: "open", most: 12},
		{in: "open", most: 4},
		{in: "intent", most: 60},
		{in: "append", most: 60},
		{in: "roll", most: 60},
		{in: "acknowledge", most: 25},
		{in: "retire", most: 12},
		{in: "setting", most: 12},
		{in: "reject", most: 6},
		{in: "release", most: 12},
		{in: "rewind", most: 5},
		{in: "renew", most: 4},
		{op: crash.Create, most: 8},
		{op: crash.Rename, most: 6},
		{op: crash.Unlink, most: 6},
		{op: crash.Truncate, most: 6},
		{most: 40},
		{most: 200},
	}
	if n := a.rnd.IntN(len(aims) + 4); n < len(aims) {
		l.KillIn, l.KillOp, l.KillAt = aims[n].in, aims[n].op, 1+a.rnd.IntN(aims[n].most)
	}
	return l
}

// live runs one life and hears it out. done says that it ended by itself.
func (a *lane) live(l life, p *promises, c *cloud) (done bool, err error) {
	env, err := json.Marshal(l)
	if err != nil {
		return false, err
	}
	notesOut, notesIn, err := os.Pipe()
	if err != nil {
		return false, err
	}
	defer notesOut.Close()
	answersOut, answersIn, err := os.Pipe()
	if err != nil {
		return false, err
	}
	defer answersIn.Close()
	fd, err := unix.MemfdCreate("page", unix.MFD_CLOEXEC)
	if err != nil {
		return false, err
	}
	pageFile := os.NewFile(uintptr(fd), "page")
	defer pageFile.Close()
	if err := pageFile.Truncate(int64(os.Getpagesize())); err != nil {
		return false, err
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), lifeEnv+"="+string(env), "GOMAXPROCS=2")
	cmd.ExtraFiles = []*os.File{notesIn, answersOut, pageFile}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return false, err
	}
	_ = errors.Join(notesIn.Close(), answersOut.Close()) // the child has them
	if l.KillAt == 0 && l.Pours > 0 {
		kill := time.AfterFunc(time.Duration(3000+a.rnd.IntN(40_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
	}
	stood := make(chan string, 1)
	hung := time.AfterFunc(time.Minute, func() {
		stood <- threads(cmd.Process.Pid)
		_ = cmd.Process.Signal(syscall.SIGABRT) // with its stacks
	})
	defer hung.Stop()
	for lines := bufio.NewScanner(notesOut); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "sent":
			c.accept(rest)
		case "ask":
			if _, err := fmt.Fprintln(answersIn, c.ledger(rest, a.rnd)); err != nil && !errors.Is(err, syscall.EPIPE) {
				return false, err
			}
		default:
			p.hear(lines.Text())
		}
	}
	werr := cmd.Wait()
	if werr == nil {
		return true, nil
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGKILL || stderr.Len() > 0 {
		said := stderr.Bytes() // of one that hung: the goroutine that matters comes first
		said = said[:min(len(said), 6000)]
		select {
		case where := <-stood:
			return false, fmt.Errorf("child: it hung: %w: %s%s", werr, where, said)
		default:
			return false, fmt.Errorf("child: %w: %s", werr, said)
		}
	}
	page := make([]byte, 64)
	if _, err := pageFile.ReadAt(page, 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	a.tell.mu.Lock()
	defer a.tell.mu.Unlock()
	a.tell.n++
	a.tell.phase[phases[page[0]]]++
	call := "any moment"
	if page[1] != 0 {
		call = string(bytes.TrimRight(page[2:], "\x00"))
	}
	a.tell.call[call]++
	return false, nil
}

// threads tells where the kernel has the threads of a process that hangs: its goroutines show where Go has them.
func threads(pid int) string {
	var out strings.Builder
	list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, dir := range list {
		fmt.Fprintf(&out, "thread %s:", filepath.Base(dir))
		for _, what := range []string{"wchan", "syscall", "schedstat"} {
			b, _ := os.ReadFile(filepath.Join(dir, what)) // without it the others tell
			fmt.Fprintf(&out, " %s %s", what, bytes.TrimSpace(b))
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// lives skips where lives cannot be led, and in the race run, which has no business with them.
func lives(t *testing.T) {
	t.Helper()
	if err := crash.CanWatch(); err != nil {
		t.Skip("calls cannot be watched here: ", err)
	}
	if raceEnabled {
		t.Skip("a life has one goroutine at work: the race detector finds nothing there and takes ten times as long")
	}
}

// kills runs lanes side by side until there were n kills.
func kills(t *testing.T, n int, w wrong) (*killed, *faults) {
	t.Helper()
	lives(t)
	const lanes = 2
	first := seed(t)
	tell := &killed{phase: map[string]int{}, call: map[string]int{}}
	var all faults
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range lanes {
		wg.Go(func() {
			a := &lane{t: t, rnd: rand.New(rand.NewPCG(first, uint64(i))), seed: first, wrong: w, tell: tell}
			f := a.units(n, func() int {
				tell.mu.Lock()
				defer tell.mu.Unlock()
				return tell.n
			})
			mu.Lock()
			defer mu.Unlock()
			all.merge(&f)
		})
	}
	wg.Wait()
	t.Logf("FOUNTAIN_SEED=%d: %v", first, tell)
	return tell, &all
}

// TestKill9 kills a child that only runs the store, at calls chosen by number and at random moments: every durable pour
// is in the cloud exactly once, in the order of its log, and no number names two of them. The cloud loses what it accepted
// and did not store, every other time. It proves the logic; that flushes are where they must be is for power_test.go.
// 200 kills, 10,000 with FOUNTAIN_LONG.
// Peers: Kegboard keeps its queue in memory.
func TestKill9(t *testing.T) {
	n := 200
	switch {
	case long():
		n = 10_000
	case testing.Short():
		n = 60
	}
	began := time.Now()
	tell, f := kills(t, n, "")
	t.Logf("%v in %v", f, time.Since(began).Round(time.Second))
	if len(f.count) > 0 {
		t.Error(f)
	}
	for _, phase := range []string{"open", "intent", "append", "roll", "acknowledge", "retire", "setting", "reject", "release", "backup", "restore"} {
		if tell.phase[phase] < max(1, n/200) {
			t.Errorf("only %d kills during %s: the test proves little there", tell.phase[phase], phase)
		}
	}
	for _, call := range []crash.Op{crash.Write, crash.Sync, crash.Create, crash.Rename, crash.Unlink, crash.Truncate} {
		if tell.call[string(call)] < max(1, n/200) {
			t.Errorf("only %d kills before %s", tell.call[string(call)], call)
		}
	}
}

// TestKill9CatchesMistakes plants each mistake that kills must find. A missing flush is none of them: a killed process
// leaves its writes in the kernel.
func TestKill9CatchesMistakes(t *testing.T) {
	for _, c := range []struct {
		wrong wrong
		kind  string
	}{{unlinkFirst, isDamaged}, {ackReconnect, isLost}, {ackAccepted, isLost}, {noDedup, isDoubled}} {
		t.Run(string(c.wrong), func(t *testing.T) {
			_, f := kills(t, 10*killsOfUnit, c.wrong)
			if f.count[c.kind] == 0 {
				t.Errorf("not caught: %v", f)
			}
			t.Logf("caught: %v", f)
		})
	}
}
