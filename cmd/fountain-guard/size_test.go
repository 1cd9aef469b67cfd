package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fountain/agent/beat"
)

// maxResident is DESIGN 2: the guard stays below 10 MB, with the real line layer linked.
const maxResident = 10 << 10 // kB

// The program, built as it ships but for the paths in it (-trimpath would compile all of it again), stays small while it
// guards.
func TestSize(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "fountain-guard")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p, state := plant(t)
	cmd := exec.Command(bin, "--state", state)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}()
	link, err := beat.Dial(filepath.Join(state, "run", beat.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	defer link.Close()
	tick := uint64(0)
	await(t, "MASTER opens", func() bool {
		tick++
		return link.Send(beat.Packet{Session: 1, Tick: tick, WantMaster: true}) == nil && opened(p)
	})
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		tick++
		_ = link.Send(beat.Packet{Session: 1, Tick: tick, WantMaster: true}) // a lost one latches; the size is what counts
	}
	if kb := resident(t, cmd.Process.Pid); kb > maxResident {
		t.Errorf("%d kB resident while guarding, want at most %d", kb, maxResident)
	} else {
		t.Logf("%d kB resident while guarding", kb)
	}
}

func resident(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 {
			return kb
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
