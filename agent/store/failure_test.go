//go:build linux

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"fountain/internal/problem"
)

// A file that cannot grow stands for a full disk: the append fails, nothing is used up, reading goes on, and as soon as
// there is room the same log goes on.
//
// The limit holds for the whole process, so the test runs in one of its own: go test writes files too.
func TestDiskFull(t *testing.T) {
	const alone = "FOUNTAIN_STORE_DISK_FULL"
	if os.Getenv(alone) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskFull$")
		cmd.Env = append(os.Environ(), alone+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	dir := t.TempDir()
	o := Options{}
	s := open(t, dir, o)
	log := s.Log()
	add(t, s, "")
	if err := s.PutIntent("waiting", nil); err != nil {
		t.Fatal(err)
	}

	signal.Ignore(syscall.SIGXFSZ) // else the kernel ends the process instead of failing the write
	defer signal.Reset(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	full := syscall.Rlimit{Cur: 2 * pageSize, Max: old.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	_, aerr := s.Append(context.Background(), "waiting", func(l string, q uint64) ([]byte, error) { return body(l, q), nil })
	ierr := s.PutIntent("another", nil)
	list, rerr := s.Read(1, 10, 1<<20)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if code(aerr) != problem.CodeNotWritable || ierr == nil {
		t.Errorf("on a full disk: append %v, intent %v", aerr, ierr)
	}
	if len(list) != 1 || rerr != nil {
		t.Errorf("reading on a full disk: %v, %v", list, rerr)
	}
	if s.Last() != 1 || len(s.Damages()) != 0 {
		t.Fatalf("last %d, damages %v", s.Last(), s.Damages())
	}
	if got := add(t, s, "waiting"); got != 2 || s.Log() != log {
		t.Errorf("with room again: seq %d of log %s, want 2 of %s", got, s.Log(), log)
	}
	closeNow(t, s)
	s = open(t, dir, o)
	if len(s.Damages()) != 0 || s.Log() != log {
		t.Errorf("reopened: %v", s.Damages())
	}
	wantRange(t, seqs(t, s, log), 1, 2)
}

// A commit that fails at its last flush may be on the disk or not: its seq is never used for another body, and the record
// is not sent.
func TestUncertainCommitEndsTheLog(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, small())
	log := s.Log()
	add(t, s, "a")
	if err := s.PutIntent("b", nil); err != nil {
		t.Fatal(err)
	}
	g := s.cur.segs[0]
	s.wmu.Lock()
	err := g.append(frame{seq: 2, id: "b", body: []byte("flushed or not")})
	if err == nil {
		err = s.afterFailure(g, errors.New("flush"))
	}
	s.wmu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if s.Log() == log {
		t.Fatal("the log goes on")
	}
	wantRange(t, seqs(t, s, log), 1, 1)
	if list, err := s.OpenIntents(); err != nil || len(list) != 1 || list[0].ID != "b" {
		t.Errorf("open intents %v, %v", list, err)
	}
	if got := add(t, s, "b"); got != 1 {
		t.Errorf("seq %d", got)
	}
	second := s.Log()
	closeNow(t, s)
	s = open(t, dir, small())
	if s.Log() != second || len(s.Damages()) != 0 {
		t.Errorf("reopened: log %s, damages %v", s.Log(), s.Damages())
	}
	wantRange(t, seqs(t, s, log), 1, 1)
	wantRange(t, seqs(t, s, second), 1, 1)
}

// Bytes that rot under an open file: the reader gets what is sound, the log ends, appending goes on.
func TestRotWhileOpen(t *testing.T) {
	dir := t.TempDir()
	o := Options{}
	var told []Damage
	o.OnDamage = func(d Damage) { told = append(told, d) }
	s := open(t, dir, o)
	log := s.Log()
	for i := range 5 {
		add(t, s, fmt.Sprint(i))
	}
	rotInPlace(t, segmentPath(dir, log, 1), log, 4)
	got := seqs(t, s, log)
	if !slices.Equal(got, []uint64{1, 2, 3, 5}) || len(told) != 1 || s.Log() == log {
		t.Errorf("read %v, told %+v", got, told)
	}
	if seq := add(t, s, ""); seq != 1 {
		t.Errorf("seq %d", seq)
	}
}

// A fault while a file is made leaves bbolt's locks held: who closed that handle would wait for ever, with the store.
func TestFaultWhileAFileIsMade(t *testing.T) {
	path := segmentPath(t.TempDir(), "la", 1)
	made := make(chan error, 1)
	go func() {
		made <- createBolt(path, 0, fileMeta{Schema: Schema}, func(*bbolt.Tx) error { panic("a sector that cannot be read") })
	}()
	select {
	case err := <-made:
		if !isFault(err) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it never returns")
	}
}

// A closed segment that is sound and holds none of its records (an old version that a failing card gives back) is lost
// like any damaged one: reading goes on behind it, and ends.
func TestEmptySegmentInTheMiddle(t *testing.T) {
	dir, log := filled(t, 10, 3)
	g := &segment{log: log, first: 5, path: segmentOf(t, dir, log, 5)}
	if err := errors.Join(os.Remove(g.path), g.create(small().withDefaults()), g.close()); err != nil {
		t.Fatal(err)
	}
	o := small()
	told := 0
	o.OnDamage = func(Damage) {
		if told++; told > 3 {
			panic("it is told for ever")
		}
	}
	s := open(t, dir, o)
	if got := seqs(t, s, log); !slices.Equal(got, []uint64{1, 2, 3, 4, 9, 10}) || told != 1 {
		t.Errorf("read %v, told %d times", got, told)
	}
	if d := s.Damages(); len(d) != 1 || !slices.Equal(d[0].Lost, []Gap{{5, 8}}) {
		t.Errorf("%+v", d)
	}
}
