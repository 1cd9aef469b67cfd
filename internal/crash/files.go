package crash

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Call is one system call that is about to change a file or a directory.
type Call struct {
	Op   Op
	Path string // of the file or directory
	To   string // Rename, Link: the new name
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
	Link     Op = "link"
	Unlink   Op = "unlink"
)

// Files is what a program did to the files below a directory, in order, with the promises it gave in between. It is
// safe for concurrent use while it is filled.
type Files struct {
	dir   string
	start map[string][]byte

	mu    sync.Mutex
	steps []fileStep
}

// fileStep is a call with paths relative to the directory, or a promise.
type fileStep struct {
	Call Call
	Told string
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
	if c.Op == Rename || c.Op == Link {
		c.To = f.rel(c.To)
	}
	f.add(fileStep{Call: c})
}

func (f *Files) add(s fileStep) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps = append(f.steps, s)
}

// Note notes a promise: everything before it must hold what it says.
func (f *Files) Note(what string) { f.add(fileStep{Told: what}) }

// Len is the number of steps; a cut comes after any number of them.
func (f *Files) Len() int { return len(f.steps) }

// Notes lists the promises given in the first n steps.
func (f *Files) Notes(n int) (out []string) {
	for _, s := range f.steps[:n] {
		if s.Told != "" {
			out = append(out, s.Told)
		}
	}
	return out
}

// saved is Files as it goes from the program under test to the one that judges it.
type saved struct {
	Dir   string
	Start map[string][]byte
	Steps []fileStep
}

// Save writes everything to a file, with calls that Watch may see, which are not added.
func (f *Files) Save(path string) error {
	f.mu.Lock()
	s := saved{f.dir, f.start, f.steps[:len(f.steps):len(f.steps)]}
	f.mu.Unlock()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(s); err != nil {
		return fmt.Errorf("save the calls: %w", err)
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

// LoadFiles reads what Save wrote.
func LoadFiles(path string) (*Files, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s saved
	if err := gob.NewDecoder(bytes.NewReader(b)).Decode(&s); err != nil {
		return nil, fmt.Errorf("load the calls from %s: %w", path, err)
	}
	return &Files{dir: s.Dir, start: s.Start, steps: s.Steps}, nil
}

// file is one file under way: what is on the disk for sure, and what may be.
type file struct {
	durable []byte
	waiting []Call // writes and truncations since its last flush
}

// After returns the number of steps up to and with a promise; all of them if it was not given.
func (f *Files) After(note string) int {
	for i, s := range f.steps {
		if s.Told == note {
			return i + 1
		}
	}
	return len(f.steps)
}

// nameChange is a call that changes names, and the file it is about.
type nameChange struct {
	call Call
	file *file
}

// apply changes names; what the change needs may never have happened.
func (c nameChange) apply(names map[string]*file) {
	if c.call.Op == Unlink || c.call.Op == Rename {
		delete(names, c.call.Path)
	}
	switch c.call.Op {
	case Create:
		names[c.call.Path] = c.file
	case Rename, Link:
		names[c.call.To] = c.file
	}
}

// flushedBy says whether flushing a directory keeps the change: a name it makes is kept with the directory that gets it.
func (c nameChange) flushedBy(dir string) bool {
	return filepath.Dir(c.call.Path) == dir && c.call.To == "" || c.call.To != "" && filepath.Dir(c.call.To) == dir
}

// Left is a file that a power cut left, with all its names.
type Left struct {
	Names []string // relative to the directory
	Data  []byte
}

// Cut returns the files below the directory as a power cut after n steps may leave them.
//
// A flush of a file keeps its content; a flush of a directory keeps the names in it. Of names that were not flushed a
// prefix in order is kept, or, every other time, any of them: journals do the first, nobody promises it.
func (f *Files) Cut(n int, rnd *rand.Rand) []Left {
	now, onDisk := map[string]*file{}, map[string]*file{} // names as the program sees them, and as the disk has them
	for name, b := range f.start {
		now[name] = &file{durable: b}
	}
	maps.Copy(onDisk, now)
	var waiting []nameChange
	for _, s := range f.steps[:n] {
		c, x := s.Call, now[s.Call.Path]
		switch {
		case c.Op == Create && x == nil:
			x = &file{}
			fallthrough
		case x != nil && (c.Op == Unlink || c.Op == Rename || c.Op == Link && now[c.To] == nil):
			change := nameChange{c, x}
			change.apply(now)
			waiting = append(waiting, change)
		case x != nil && (c.Op == Write || c.Op == Truncate):
			x.waiting = append(x.waiting, c)
		case x != nil && c.Op == Sync:
			for _, w := range x.waiting {
				x.durable = done(x.durable, w)
			}
			x.waiting = nil
		case c.Op == Sync:
			waiting = slices.DeleteFunc(waiting, func(w nameChange) bool {
				if !w.flushedBy(c.Path) {
					return false
				}
				w.apply(onDisk)
				return true
			})
		}
	}
	fate := fates(rnd)
	if rnd.IntN(2) == 0 {
		waiting = waiting[:rnd.IntN(len(waiting)+1)]
	} else {
		waiting = slices.DeleteFunc(waiting, func(nameChange) bool { return fate() == lost })
	}
	for _, w := range waiting {
		w.apply(onDisk)
	}
	var out []Left
	at := map[*file]int{}
	for _, name := range slices.Sorted(maps.Keys(onDisk)) { // in order: the same draws each time
		x := onDisk[name]
		if i, again := at[x]; again {
			out[i].Names = append(out[i].Names, name)
			continue
		}
		at[x] = len(out)
		out = append(out, Left{[]string{name}, x.left(fate, rnd)})
	}
	return out
}

// left is what a cut leaves of the content.
func (x *file) left(fate func() fate, rnd *rand.Rand) []byte {
	b := x.durable
	for _, w := range x.waiting {
		switch fate() {
		case kept:
			b = done(b, w)
		case torn:
			if w.Op == Write {
				tear(rnd, w.Off, w.Data, func(off int64, part []byte) { b = done(b, Call{Op: Write, Off: off, Data: part}) })
			}
		}
	}
	return b
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
