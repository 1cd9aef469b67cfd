package crash

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Call is one system call that is about to change a file or a directory.
type Call struct {
	Op   Op
	Path string // of the file or directory
	To   string // Rename: the new name
	Off  int64  // Write: where; Truncate: the new size
	Data []byte // Write: what; a copy
}

// Op is what a call does.
type Op string

// The calls Watch stops.
const (
	Write    Op = "write"
	Sync     Op = "sync" // fsync or fdatasync, of a file or a directory
	Truncate Op = "truncate"
	Create   Op = "create" // an open that may create
	Mkdir    Op = "mkdir"
	Rename   Op = "rename"
	Unlink   Op = "unlink"
)

// Files is what a program did to the files below a directory, in order, with the promises it gave in between. It is
// filled by one goroutine at a time.
type Files struct {
	dir   string
	start map[string][]byte
	steps []fileStep
}

// fileStep is a call with paths relative to the directory, or a promise.
type fileStep struct {
	call Call
	note string
}

// NewFiles begins with what is in dir now; files named lock are nobody's content.
func NewFiles(dir string) (*Files, error) {
	f := &Files{dir: dir, start: map[string][]byte{}}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		f.start[f.rel(path)] = b
		return err
	})
	return f, err
}

func (f *Files) rel(path string) string {
	if rel, ok := strings.CutPrefix(path, f.dir+"/"); ok && !strings.HasSuffix(rel, " (deleted)") {
		return rel
	}
	return ""
}

// Add notes a call; one outside the directory is left out.
func (f *Files) Add(c Call) {
	if c.Op == Sync && c.Path == f.dir {
		c.Path = "."
	} else if c.Path = f.rel(c.Path); c.Path == "" {
		return
	}
	if c.Op == Rename {
		c.To = f.rel(c.To)
	}
	f.steps = append(f.steps, fileStep{call: c})
}

// Note notes a promise: everything before it must hold what it says.
func (f *Files) Note(what string) { f.steps = append(f.steps, fileStep{note: what}) }

// Len is the number of steps; a cut comes after any number of them.
func (f *Files) Len() int { return len(f.steps) }

// Notes lists the promises given in the first n steps.
func (f *Files) Notes(n int) (out []string) {
	for _, s := range f.steps[:n] {
		if s.note != "" {
			out = append(out, s.note)
		}
	}
	return out
}

// file is one file under way: what is on the disk for sure, and what may be.
type file struct {
	durable []byte
	waiting []Call // writes and truncations since its last flush
}

// Cut returns the files below the directory as a power cut after n steps may leave them.
//
// A flush of a file keeps its content; a flush of a directory keeps the names in it. Of names that were not flushed a
// prefix in order is kept, or, every other time, any of them: journals do the first, nobody promises it.
func (f *Files) Cut(n int, rnd *rand.Rand) map[string][]byte {
	fate := fates(rnd)
	now, onDisk := map[string]*file{}, map[string]*file{} // names as the program sees them, and as the disk has them
	for name, b := range f.start {
		now[name] = &file{durable: b}
	}
	maps.Copy(onDisk, now)
	type change struct {
		call Call
		file *file
	}
	var names []change // not flushed yet
	apply := func(c change) {
		switch c.call.Op {
		case Create:
			onDisk[c.call.Path] = c.file
		case Unlink:
			delete(onDisk, c.call.Path)
		case Rename:
			delete(onDisk, c.call.Path)
			onDisk[c.call.To] = c.file
		}
	}
	for _, s := range f.steps[:n] {
		c := s.call
		switch c.Op {
		case Create:
			if now[c.Path] == nil {
				now[c.Path] = &file{}
				names = append(names, change{c, now[c.Path]})
			}
		case Unlink, Rename:
			old := now[c.Path]
			if old == nil {
				continue // it failed
			}
			delete(now, c.Path)
			if c.Op == Rename {
				now[c.To] = old
			}
			names = append(names, change{c, old})
		case Write, Truncate:
			if x := now[c.Path]; x != nil {
				x.waiting = append(x.waiting, c)
			}
		case Sync:
			if x := now[c.Path]; x != nil {
				for _, w := range x.waiting {
					x.durable = done(x.durable, w)
				}
				x.waiting = nil
				continue
			}
			names = slices.DeleteFunc(names, func(x change) bool { // of this directory
				if filepath.Dir(x.call.Path) != c.Path {
					return false
				}
				apply(x)
				return true
			})
		}
	}
	if rnd.IntN(2) == 0 {
		names = names[:rnd.IntN(len(names)+1)]
	} else {
		names = slices.DeleteFunc(names, func(change) bool { return fate() == lost })
	}
	for _, c := range names {
		apply(c)
	}
	out := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(onDisk)) { // in order: the same draws each time
		b := onDisk[name].durable
		for _, w := range onDisk[name].waiting {
			switch fate() {
			case kept:
				b = done(b, w)
			case torn:
				if w.Op == Write {
					tear(rnd, w.Off, w.Data, func(off int64, part []byte) { b = done(b, Call{Op: Write, Off: off, Data: part}) })
				}
			}
		}
		out[name] = b
	}
	return out
}

// done returns what b is after a write or truncation; b itself stays as it is.
func done(b []byte, c Call) []byte {
	size := max(int64(len(b)), c.Off+int64(len(c.Data)))
	if c.Op == Truncate {
		size = c.Off
	}
	out := make([]byte, size)
	copy(out, b)
	copy(out[c.Off:], c.Data)
	return out
}
