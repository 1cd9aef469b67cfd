package access

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var when = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

func entry(i int) Entry {
	return Entry{At: when.Add(time.Duration(i) * time.Second), Person: "ada", Action: "prime", Line: fmt.Sprintf("s%02d", i), Result: "done"}
}

func mustAppend(t *testing.T, tr *Trail, e Entry) {
	t.Helper()
	if err := tr.Append(e); err != nil {
		t.Fatal(err)
	}
}

func TestTrailNewestFirst(t *testing.T) {
	dir := t.TempDir()
	tr, err := OpenTrail(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		mustAppend(t, tr, entry(i))
	}
	if err := tr.Close(); err != nil {
		t.Fatal(err)
	}
	if tr.Append(entry(9)) == nil {
		t.Error("a closed trail takes lines")
	}
	if tr, err = OpenTrail(dir); err != nil { // a restart
		t.Fatal(err)
	}
	defer tr.Close()
	mustAppend(t, tr, entry(5))
	got, damaged, err := tr.Recent(0)
	if err != nil || len(damaged) > 0 || len(got) != 6 {
		t.Fatalf("%v, %v, %v", got, damaged, err)
	}
	for i, e := range got {
		if e != entry(5-i) {
			t.Errorf("place %d: %+v", i, e)
		}
	}
	if got, _, _ = tr.Recent(2); len(got) != 2 || got[0] != entry(5) {
		t.Errorf("the newest two: %v", got)
	}
}

// Rotation keeps the newest entries, in order, in a bounded number of files.
func TestTrailRotates(t *testing.T) {
	dir := t.TempDir()
	tr, err := openTrail(dir, 600, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	const n = 40
	for i := range n {
		mustAppend(t, tr, entry(i))
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if st, err := f.Info(); err != nil || st.Size() > 600 {
			t.Errorf("%s has %d bytes, %v", f.Name(), st.Size(), err)
		}
	}
	got, damaged, err := tr.Recent(0)
	if err != nil || len(damaged) > 0 || len(got) < 6 {
		t.Fatalf("%d entries, %v, %v", len(got), damaged, err)
	}
	for i, e := range got {
		if e != entry(n-1-i) {
			t.Fatalf("place %d: %+v, want %+v", i, e, entry(n-1-i))
		}
	}
}

// A power cut leaves half a line, storage flips bits: both are skipped and said, and nothing else is lost.
func TestTrailDamage(t *testing.T) {
	dir := t.TempDir()
	tr, err := OpenTrail(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		mustAppend(t, tr, entry(i))
	}
	path := tr.path(0)
	_ = tr.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Replace(b, []byte(`"s01"`), []byte(`"s11"`), 1) // still JSON: only the sum tells
	b = b[:len(b)-7]                                          // the last line is cut
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if tr, err = OpenTrail(dir); err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	mustAppend(t, tr, entry(4))
	got, damaged, err := tr.Recent(0)
	if err != nil || len(damaged) != 1 || damaged[0].Lines != 2 || damaged[0].File != path {
		t.Fatalf("%v, %v", damaged, err)
	}
	if len(got) != 3 || got[0] != entry(4) || got[1] != entry(2) || got[2] != entry(0) {
		t.Errorf("left: %v", got)
	}
}

// What people type ends up on a technician's terminal: one line, printable, bounded.
func TestTrailCleansText(t *testing.T) {
	tr, err := OpenTrail(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	mustAppend(t, tr, Entry{At: when, Person: "eve\n{\"v\":1}\x1b[2J", Action: strings.Repeat("<ä>", 200), Line: "\xff\xfe", Result: ""})
	got, damaged, err := tr.Recent(0)
	if err != nil || len(damaged) > 0 || len(got) != 1 {
		t.Fatalf("%v, %v, %v", got, damaged, err)
	}
	e := got[0]
	for _, s := range []string{e.Person, e.Action, e.Line} {
		if strings.ContainsAny(s, "\n\x1b") || !utf8.ValidString(s) || len(s) > fieldBytes {
			t.Errorf("%q", s)
		}
	}
}

func FuzzEntry(f *testing.F) {
	b, err := encodeEntry(entry(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.TrimSpace(b))
	f.Add([]byte(`{"v":1,"at":"2026-11-23T09:30:00Z","person":"a","action":"b","result":"c","sum":"00000000"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(b)
		if err != nil {
			return
		}
		again, err := encodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeEntry(bytes.TrimSpace(again)); err != nil || got.Person != clean(e.Person) || !got.At.Equal(e.At) {
			t.Fatalf("%q -> %+v, %v", again, got, err)
		}
	})
}
