package store

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"fountain/internal/problem"
)

// childMode names what the child of these tests does with the file.
const childMode = "FOUNTAIN_STORE_CHECK"

// checkerOf runs this test binary as the child.
func checkerOf(t *testing.T, mode string, limit time.Duration) func(string) error {
	t.Setenv(childMode, mode)
	return Checker(limit, func(err error) { t.Error(err) }, os.Args[0], "-test.run=^TestCheckChild$", "--")
}

// TestCheckChild is the child.
func TestCheckChild(t *testing.T) {
	mode := os.Getenv(childMode)
	if mode == "" {
		t.Log("runs as the child of other tests") // nothing to prove by itself
		return
	}
	path := os.Args[len(os.Args)-1]
	hit := strings.Contains(mode, filepath.Base(path)) || mode == "all"
	switch {
	case hit && os.Getenv(childMode+"_HOW") == "loops":
		fmt.Println(began)
		for {
			runtime.Gosched()
		}
	case hit && os.Getenv(childMode+"_HOW") == "dies":
		fmt.Println(began)
		os.Exit(139)
	}
	os.Exit(CheckFile(path, os.Stdout))
}

// What only bbolt stumbles over costs the child, never the agent: the file is set aside, what is in it is rescued.
func TestChildThatHangsOrDies(t *testing.T) {
	if raceEnabled {
		t.Skip("the children are this test itself, which the race detector makes too slow to be told from one that hangs; the run without it covers them")
	}
	for _, how := range []string{"loops", "dies"} {
		for _, file := range []string{"segment", stateFile} {
			t.Run(how+" on "+file, func(t *testing.T) {
				dir, log := filled(t, 10, 3)
				mode := stateFile
				if file == "segment" {
					mode = filepath.Base(segmentPath(dir, log, 9))
				}
				t.Setenv(childMode+"_HOW", how)
				o := small()
				o.Check = checkerOf(t, mode, time.Second)
				s := open(t, dir, o)
				d := s.Damages()
				if len(d) != 1 || filepath.Dir(d[0].File) != filepath.Join(dir, badDir) || len(d[0].Lost) != 0 || s.Log() == log {
					t.Fatalf("damages %+v", d)
				}
				t.Log(d[0].Err)
				wantRange(t, seqs(t, s, log), 1, 10)
				if list, err := s.OpenIntents(); err != nil || len(list) != 1 {
					t.Errorf("open intents %v, %v", list, err)
				}
				add(t, s, "open")
			})
		}
	}
}

// The child finds sound files sound, tells damage from what is no damage, and says what it is.
func TestChildJudges(t *testing.T) {
	dir, log := filled(t, 10, 3)
	check := checkerOf(t, "none", CheckLimit)
	state, seg := filepath.Join(dir, stateFile), segmentPath(dir, log, 9)
	began := time.Now()
	for _, path := range []string{state, seg, filepath.Join(dir, "seg-lnone-00000000000000000001.db")} {
		if err := check(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	t.Logf("three children took %s", time.Since(began))
	spoil(t, seg, log, 9)
	if err := check(seg); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("a spoilt segment: %v", err)
	}
	if err := os.Truncate(state, 2*pageSize); err != nil {
		t.Fatal(err)
	}
	if err := check(state); err == nil {
		t.Error("a state.db cut short is sound")
	}
	newer := t.TempDir()
	s := open(t, newer, small())
	closeNow(t, s)
	rewriteMeta(t, filepath.Join(newer, stateFile), fileMeta{Schema: Schema + 1, Kind: "future"})
	o := small()
	o.Check = check
	if _, err := Open(newer, o); code(err) != problem.CodeNewerSchema || len(files(t, newer, "bad/*")) > 0 {
		t.Errorf("a newer schema is no damage: %v", err)
	}
}

// A child that cannot be started judges nothing, and is told of.
func TestNoChild(t *testing.T) {
	dir, log := filled(t, 4, 0)
	told := 0
	o := small()
	o.Check = Checker(CheckLimit, func(error) { told++ }, filepath.Join(dir, "no-such-program"))
	s := open(t, dir, o)
	if s.Log() != log || len(s.Damages()) > 0 || told != 2 {
		t.Errorf("damages %v, told %d times", s.Damages(), told)
	}
}

// A child that would look for ever ends with who asked for it.
func TestChildEndsWithItsParent(t *testing.T) {
	path := filepath.Join(t.TempDir(), stateFile)
	if err := syscall.Mkfifo(path, 0o600); err != nil { // nobody ever writes
		t.Fatal(err)
	}
	t.Setenv(childMode, "none")
	c, err := startChild([]string{os.Args[0], "-test.run=^TestCheckChild$", "--", path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.cmd.Process.Kill() }() // it may have ended
	<-c.begins
	if err := c.life.Close(); err != nil { // as the end of this process does
		t.Fatal(err)
	}
	select {
	case <-c.ended:
	case <-time.After(20 * time.Second):
		t.Error("it still looks")
	}
}
