package assets

import (
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"fountain/touchui/kiosk/paint"
)

// Pack is an open pack. It needs no closing: file and mapping are given back when the Pack and all its pictures are
// unreachable, because a screen may still show them.
type Pack struct {
	path string
	meta Meta
	file *os.File
	mem  []byte

	mu       sync.Mutex
	pictures map[string]*picture
}

type picture struct {
	entry
	bitmap *paint.Bitmap // after the pixels were checked
	err    error
}

// Open maps the pack at path for use as want says. Header and index are checked now, pixels when a picture is first
// asked for. Errors wrap ErrDamaged, ErrForeign or what the file system says.
func Open(path string, want Meta) (*Pack, error) {
	p, err := open(path, want)
	if err != nil {
		return nil, fmt.Errorf("open asset pack %s: %w", path, err)
	}
	return p, nil
}

func open(path string, want Meta) (*Pack, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	done := false
	defer func() {
		if !done {
			_ = f.Close() // opened for reading
		}
	}()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, fmt.Errorf("%w: %d bytes long", ErrDamaged, st.Size())
	}
	h, err := decodeHeader(head)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || uint64(st.Size()) != h.FileSize {
		return nil, fmt.Errorf("%w: %d bytes long, not %d", ErrDamaged, st.Size(), h.FileSize)
	}
	body := make([]byte, h.IndexSize)
	if _, err := f.ReadAt(body, int64(h.IndexAt)); err != nil {
		return nil, err
	}
	if checksum(body) != h.IndexSum {
		return nil, fmt.Errorf("%w: checksum of the index", ErrDamaged)
	}
	x, err := decodeIndex(body, h.IndexAt)
	if err != nil {
		return nil, err
	}
	if what := x.meta.differs(want); what != "" {
		return nil, fmt.Errorf("%w %s", ErrForeign, what)
	}
	mem, err := unix.Mmap(int(f.Fd()), 0, int(h.FileSize), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	p := &Pack{path: path, meta: x.meta, file: f, mem: mem, pictures: make(map[string]*picture, len(x.entries))}
	for _, e := range x.entries {
		p.pictures[e.key] = &picture{entry: e}
	}
	runtime.AddCleanup(p, func(m []byte) { _ = unix.Munmap(m) }, mem) // the file closes itself likewise
	done = true
	return p, nil
}

// Meta is what the pack was made for.
func (p *Pack) Meta() Meta { return p.meta }

// Path of the file.
func (p *Pack) Path() string { return p.path }

// Len is how many pictures there are.
func (p *Pack) Len() int { return len(p.pictures) }

// Picture returns a picture, always the same one for a key. The first time its pixels are read from the file and
// compared with their checksum (some 0.1 ms for a tile): a file that went bad is an error here, never a wrong picture.
func (p *Pack) Picture(key string) (*paint.Bitmap, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pic := p.pictures[key]
	if pic == nil {
		return nil, fmt.Errorf("%w: %s", ErrMissing, key)
	}
	if pic.bitmap == nil && pic.err == nil {
		if pic.err = p.check(pic.entry); pic.err == nil {
			pic.bitmap = p.bitmap(pic.entry)
		}
	}
	return pic.bitmap, pic.err
}

// check reads by file and not by memory: a disk that fails there gives an error, where the mapping would end the program.
func (p *Pack) check(e entry) error {
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(p.file, int64(e.at), int64(e.bytes()))); err != nil {
		return fmt.Errorf("read picture %s: %w", e.key, err)
	}
	if sum.Sum32() != e.sum {
		return fmt.Errorf("%w: checksum of picture %s", ErrDamaged, e.key)
	}
	return nil
}

func (p *Pack) bitmap(e entry) *paint.Bitmap {
	pix := p.mem[e.at : e.at+e.bytes() : e.at+e.bytes()]
	size := p.meta.Rotation.Size(e.size)
	return &paint.Bitmap{
		Pix: pix, Stride: size.X * 4, Size: e.size, Rotation: p.meta.Rotation, Format: p.meta.Format, Owner: p,
		Unused: func() { forget(pix) },
	}
}

// forget lets the kernel take the pages back that lie wholly inside b; they come again from the file when they are read.
func forget(b []byte) {
	page := os.Getpagesize()
	if n := len(b) &^ (page - 1); n > 0 && page <= pageSize {
		_ = unix.Madvise(b[:n], unix.MADV_DONTNEED) // a wish; without it only memory is lost
	}
}
