package crash

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Every outcome a cut may have happens, and no other.
func TestFilesCut(t *testing.T) {
	write := func(path string, off int64, data string) Call {
		return Call{Op: Write, Path: "/d/" + path, Off: off, Data: []byte(data)}
	}
	sync := func(path string) Call { return Call{Op: Sync, Path: "/d" + path} }
	aside := []Call{{Op: Create, Path: "/d/new"}, write("new", 0, "b"), sync("/new"), {Op: Rename, Path: "/d/new", To: "/d/file"}}
	for _, c := range []struct {
		name  string
		steps []Call
		want  []string
	}{
		{"nothing", nil, []string{"file:a"}},
		{"a write that waits", []Call{write("file", 1, "b")}, []string{"file:a", "file:ab"}},
		{"a write that is flushed", []Call{write("file", 1, "b"), sync("/file")}, []string{"file:ab"}},
		{"made aside", aside, []string{"file:a new:b", "file:a", "file:b"}},
		{"made aside, directory flushed", append(slices.Clone(aside), sync("")), []string{"file:b"}},
		{
			"made aside without its flush",
			[]Call{aside[0], aside[1], aside[3]},
			[]string{"file:", "file:a new:", "file:a new:b", "file:a", "file:b"},
		},
		{"unlinked", []Call{{Op: Unlink, Path: "/d/file"}}, []string{"", "file:a"}},
		{"linked", []Call{{Op: Link, Path: "/d/file", To: "/d/bad/file"}, {Op: Sync, Path: "/d/bad"}}, []string{"bad/file+file:a"}},
		{"linked over another", []Call{{Op: Link, Path: "/d/file", To: "/d/file"}}, []string{"file:a"}},
		{
			"linked and unlinked",
			[]Call{{Op: Link, Path: "/d/file", To: "/d/bad/file"}, {Op: Unlink, Path: "/d/file"}, {Op: Sync, Path: "/d"}},
			[]string{"", "bad/file:a"},
		},
		{"elsewhere", []Call{{Op: Unlink, Path: "/e/file"}, {Op: Unlink, Path: "/d/file (deleted)"}}, []string{"file:a"}},
		{"cut to size", []Call{write("file", 1, "bcd"), sync("/file"), {Op: Truncate, Path: "/d/file", Off: 2}}, []string{"file:ab", "file:abcd"}},
	} {
		f := &Files{dir: "/d", start: map[string][]byte{"file": []byte("a")}}
		for _, s := range c.steps {
			f.Add(s)
		}
		rnd := rand.New(rand.NewPCG(1, 1))
		var got []string
		for range 400 {
			out := ""
			for _, l := range f.Cut(f.Len(), rnd) {
				out += fmt.Sprintf(" %s:%s", strings.Join(l.Names, "+"), l.Data)
			}
			if out = strings.TrimSpace(out); !slices.Contains(got, out) {
				got = append(got, out)
			}
		}
		slices.Sort(got)
		if slices.Sort(c.want); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// A torn write keeps whole sectors of the disk.
func TestBlocksCut(t *testing.T) {
	b := &Blocks{start: make([]byte, 2*Sector)}
	data := make([]byte, 2*Sector)
	for i := range data {
		data[i] = 1
	}
	b.add(blockStep{Data: data[:1]})
	b.Note("promised")
	b.add(blockStep{Flush: true})
	b.add(blockStep{Data: data})
	rnd := rand.New(rand.NewPCG(1, 1))
	var got []string
	for range 400 {
		d := b.Cut(b.Len(), rnd)
		out := fmt.Sprint(d[0], d[1], d[Sector-1], d[Sector], d[2*Sector-1])
		if !slices.Contains(got, out) {
			got = append(got, out)
		}
	}
	slices.Sort(got)
	if want := []string{"1 0 0 0 0", "1 0 0 1 1", "1 1 1 0 0", "1 1 1 1 1"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if d := b.Cut(0, rnd); d[0] != 0 || len(b.Notes(1)) != 0 || len(b.Notes(2)) != 1 {
		t.Error("a step after the cut counts")
	}
}
