package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fountain/internal/problem"
)

func backupOf(t testing.TB, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Backup(t.Context(), &b, map[string]string{"serial": "417"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A backup of a store that is being appended to is the store at one moment; restored, it goes on with a new log.
func TestBackupWhileAppending(t *testing.T) {
	dir := t.TempDir()
	var s *Store
	var intents int
	o := small()
	o.Yield = func(context.Context) error { // between any two pieces
		intents++
		add(t, s, "")
		return nil
	}
	s = open(t, filepath.Join(dir, "a"), o)
	log := s.Log()
	for range 21 {
		add(t, s, "")
	}
	if err := errors.Join(s.SetAcked(6), s.PutIntent("open", []byte("x")), s.PutSetting("lag", []byte("42")), s.Reject(Rejected{Log: log, Seq: 3, Reason: "poison"})); err != nil {
		t.Fatal(err)
	}
	b := backupOf(t, s)
	if intents < 5 {
		t.Fatalf("yielded %d times", intents)
	}
	m, err := ReadBackup(bytes.NewReader(b), nil)
	if err != nil || m.By["serial"] != "417" || len(m.Logs) != 1 || m.Logs[0].Last != 22 {
		t.Fatalf("%+v, %v", m, err)
	}

	fresh := filepath.Join(dir, "fresh", "pours")
	r, err := Restore(fresh, bytes.NewReader(b), false)
	if err != nil || r.Kept != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	keepInode(t, fresh) // a new file system may give the same numbers
	got := open(t, fresh, small())
	if got.Log() == log || got.Last() != 0 || len(got.Damages()) > 0 {
		t.Errorf("log %s, damages %v", got.Log(), got.Damages())
	}
	wantRange(t, seqs(t, got, log), 1, 22)
	list, err := got.OpenIntents()
	lag, _, lerr := got.Setting("lag")
	if st := got.Logs()[0]; err != nil || lerr != nil || len(list) != 1 || string(lag) != "42" || st.Acked != 6 || len(rejected(t, got)) != 1 {
		t.Errorf("intents %v, setting %q, %+v", list, lag, st)
	}
	first := got.Log()
	closeNow(t, got)
	if got = open(t, fresh, small()); got.Log() != first {
		t.Error("another new log at every start")
	}
}

// A restore never replaces what the backup does not have, unless told; and then it is kept.
func TestRestoreRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pours")
	s := open(t, dir, small())
	log := s.Log()
	for range 6 {
		add(t, s, "")
	}
	b := backupOf(t, s)
	if _, err := Restore(dir, bytes.NewReader(b), true); code(err) != problem.CodeConflict {
		t.Fatalf("restored under a running agent: %v", err)
	}
	add(t, s, "")
	closeNow(t, s)

	_, err := Restore(dir, bytes.NewReader(b), false)
	if code(err) != problem.CodeConflict || !strings.Contains(err.Error(), log+" from 7 to 7, 1 of them not sent") {
		t.Fatalf("replaced newer pours: %v", err)
	}
	r, err := Restore(dir, bytes.NewReader(b), true)
	if err != nil || r.Kept == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	s = open(t, dir, small())
	wantRange(t, seqs(t, s, log), 1, 6)
	if s.Log() == log {
		t.Error("seq 7 would be used again")
	}
	closeNow(t, s)
	kept := open(t, r.Kept, small())
	wantRange(t, seqs(t, kept, log), 1, 7)
	closeNow(t, kept)
	if _, err := Restore(dir, bytes.NewReader(b), false); err != nil {
		t.Errorf("nothing newer is there: %v", err)
	}
	left := files(t, filepath.Dir(dir), "*restore-*")
	if len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// again changes what a backup holds and compresses it anew, with sound checksums of gzip.
func again(t *testing.T, b []byte, change func(content []byte)) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	change(content)
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// contentOf is everything that a backup holds.
func contentOf(b []byte) (string, error) {
	var all strings.Builder
	_, err := ReadBackup(bytes.NewReader(b), func(name string, r io.Reader) error {
		all.WriteString(name + "\n")
		_, err := io.Copy(&all, r)
		return err
	})
	return all.String(), err
}

// A backup with a byte missing or another one is refused, and what is there stays.
func TestDamagedBackupIsRefused(t *testing.T) {
	home := t.TempDir()
	dir := filepath.Join(home, "pours")
	s := open(t, dir, small())
	log := s.Log()
	for range 9 {
		add(t, s, "")
	}
	b := backupOf(t, s)
	closeNow(t, s)
	try := func(what string, b []byte) {
		t.Helper()
		if _, err := Restore(dir, bytes.NewReader(b), true); code(err) != problem.CodeDamaged {
			t.Errorf("%s: %v", what, err)
		}
	}
	whole, err := contentOf(b)
	if err != nil {
		t.Fatal(err)
	}
	step := len(b)/60 + 1
	for at := 0; at < len(b); at += step {
		if at%(10*step) == 0 {
			try("cut", b[:at])
		} else if _, err := ReadBackup(bytes.NewReader(b[:at]), nil); code(err) != problem.CodeDamaged {
			t.Errorf("cut at %d: %v", at, err)
		}
		other := slices.Clone(b)
		other[at] ^= 0x10
		if got, err := contentOf(other); err == nil && got != whole { // a bit that pads the stream means nothing
			t.Errorf("byte %d changed, unnoticed", at)
		}
	}
	try("empty", nil)
	try("made up anew", again(t, b, func(content []byte) { content[len(content)/2] ^= 1 }))
	if _, err := ReadBackup(bytes.NewReader(again(t, b, func([]byte) {})), nil); err != nil {
		t.Errorf("compressed anew: %v", err)
	}
	s = open(t, dir, small())
	if s.Log() != log {
		t.Error("something was restored")
	}
	if list, err := os.ReadDir(home); err != nil || len(list) != 1 {
		t.Errorf("left over: %v %v", list, err)
	}
}
