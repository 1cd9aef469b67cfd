package assets

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fountain/internal/build"
)

// Shelf is the packs of one unit: a directory with a file for each Meta used lately, such as one for each language. The
// oldest go when there are too many. Use it from one goroutine at a time for each Meta.
type Shelf struct {
	Dir  string
	Keep int // packs; 0 = 3
}

var errNoDir = errors.New("no directory for asset packs")

const day = 24 * time.Hour

// path of the pack of m: its name is the digest of all that m says.
func (s *Shelf) path(m Meta) string {
	d := sha256.Sum256(index{meta: m}.encode())
	return filepath.Join(s.Dir, fmt.Sprintf("%x.pack", d[:8]))
}

// Open maps the pack for want, if there is one.
func (s *Shelf) Open(want Meta) (*Pack, error) {
	if s.Dir == "" {
		return nil, errNoDir
	}
	p, err := Open(s.path(want), want)
	if err != nil {
		return nil, err
	}
	// Used now, by the day: the file system may take long over it when others write. A read-only directory serves as well.
	if st, err := os.Stat(p.path); err == nil && time.Since(st.ModTime()) > day {
		now := time.Now()
		_ = os.Chtimes(p.path, now, now)
	}
	return p, nil
}

// Discard removes the file of a pack that turned out to be damaged. What is shown of it stays valid.
func (s *Shelf) Discard(p *Pack) error {
	if err := os.Remove(p.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("discard asset pack: %w", err)
	}
	return nil
}

// restAfter is how long a build rests after each picture, as a multiple of the time that took: it uses a tenth of a
// processor at most.
const restAfter = 9

// Build makes the pack for meta in the background of everything else and opens it. Before each picture it calls pause,
// which waits while somebody needs the machine more, a pour above all, and returns an error to give up.
func (s *Shelf) Build(ctx context.Context, meta Meta, keys []string, pause func(context.Context) error, draw func(key string) *image.RGBA) (*Pack, error) {
	if s.Dir == "" {
		return nil, errNoDir
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("build asset pack: %w", err)
	}
	path := s.path(meta)
	var rest time.Duration
	err := Build(ctx, path, meta, keys, func(ctx context.Context, key string) (*image.RGBA, error) {
		if err := sleep(ctx, rest); err != nil {
			return nil, err
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
		start := time.Now()
		im := draw(key)
		rest = restAfter * time.Since(start)
		return im, nil
	})
	if err != nil {
		return nil, err
	}
	s.tidy(path)
	return Open(path, meta)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// tidy removes the packs used longest ago, never keep, and what builds that were killed left behind.
func (s *Shelf) tidy(keep string) {
	most := s.Keep
	if most <= 0 {
		most = 3
	}
	const old = time.Hour // a temporary file of now may be another build's
	for _, f := range byAge(filepath.Join(s.Dir, ".*.pack.*")) {
		if time.Since(f.at) > old {
			_ = os.Remove(f.path) // tried again after the next build
		}
	}
	files := byAge(filepath.Join(s.Dir, "*.pack"))
	for i, f := range files {
		if i < len(files)-most && f.path != keep {
			_ = os.Remove(f.path) // tried again after the next build
		}
	}
}

type aged struct {
	path string
	at   time.Time
}

// byAge lists files, the oldest first.
func byAge(pattern string) (files []aged) {
	names, _ := filepath.Glob(pattern) // fails for bad patterns only
	for _, n := range names {
		if st, err := os.Stat(n); err == nil {
			files = append(files, aged{n, st.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b aged) int { return a.at.Compare(b.at) })
	return files
}

// Program names the running program for Meta.Look: another program may draw otherwise. A build without a version goes by
// its file.
func Program() string {
	if build.Version != "dev" {
		return build.Version
	}
	if exe, err := os.Executable(); err == nil {
		if st, err := os.Stat(exe); err == nil {
			return fmt.Sprintf("dev %d %d", st.Size(), st.ModTime().UnixNano())
		}
	}
	return "dev"
}
