package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt's file format, version 2, as far as reading it safely needs: pages of pageSize with a header of 16 bytes
// (id u64, flags u16, count u16, overflow u32), pages 0 and 1 are the two meta pages, buckets are B+trees of branch and
// leaf pages. Fields are little-endian on every machine we build for.
const (
	pageSize     = 4096
	pageHead     = 16
	elemSize     = 16
	flagBranch   = 1
	flagLeaf     = 2
	flagMeta     = 4
	boltMagic    = 0xED0CDAED
	boltVersion  = 2
	metaSum      = 56 // offset of the checksum, which covers what is before it
	bucketHead   = 16
	maxDepth     = 24      // a tree of 4 MiB is 3 deep
	maxOverflow  = 1 << 12 // pages of one value: 16 MiB
	elemIsBucket = 1
)

var errStructure = errors.New("file structure is damaged")

func structural(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errStructure, fmt.Sprintf(format, args...))
}

// walker reads a bbolt file without bbolt: bbolt trusts its pages and may panic, run off its memory map or loop for ever
// on a damaged one. What walks clean, bbolt can open.
type walker struct {
	r     io.ReaderAt
	pages uint64 // high-water mark: every page id is below it
	seen  []uint64
	bufs  [maxDepth + 1][pageSize]byte // a page of each depth: a file is a thousand of them
	visit func(bucket string, key, value []byte, at int64) error
}

// walk checks every reachable page of the file and calls visit for each key and value of the top-level buckets, in key
// order within a bucket, and says where in the file the value lies. Slices are valid only during the call.
func walk(r io.ReaderAt, size int64, visit func(bucket string, key, value []byte, at int64) error) error {
	root, pages, err := readMetas(r, size)
	if err != nil {
		return err
	}
	w := &walker{r: r, pages: pages, seen: make([]uint64, pages/64+1), visit: visit}
	return w.tree(root, "", true, 0, nil, nil)
}

// readMetas verifies both meta pages and returns the root page and high-water mark of the newer. One bad meta page
// condemns the file: falling back to the other would silently drop the newest commit.
func readMetas(r io.ReaderAt, size int64) (root, pages uint64, err error) {
	var newest uint64
	for i := range int64(2) {
		var p [pageHead + metaSum + 8]byte
		if _, err := r.ReadAt(p[:], i*pageSize); err != nil {
			return 0, 0, structural("meta page %d: %v", i, err)
		}
		m := p[pageHead:]
		h := fnv.New64a()
		_, _ = h.Write(m[:metaSum]) // a hash never fails
		le := binary.LittleEndian
		switch {
		case le.Uint64(p[:]) != uint64(i) || le.Uint16(p[8:]) != flagMeta:
			return 0, 0, structural("meta page %d has a wrong header", i)
		case le.Uint32(m) != boltMagic || le.Uint32(m[4:]) != boltVersion:
			return 0, 0, structural("meta page %d is not bbolt's", i)
		case le.Uint64(m[metaSum:]) != h.Sum64():
			return 0, 0, structural("meta page %d: checksum differs", i)
		case le.Uint32(m[8:]) != pageSize:
			return 0, 0, structural("page size is %d, want %d", le.Uint32(m[8:]), pageSize)
		}
		if tx := le.Uint64(m[48:]); i == 0 || tx > newest {
			newest, root, pages = tx, le.Uint64(m[16:]), le.Uint64(m[40:])
		}
	}
	if pages < 3 || pages > uint64(size)/pageSize {
		return 0, 0, structural("%d pages expected in a file of %d bytes", pages, size)
	}
	return root, pages, nil
}

// page reads page id with its overflow pages and marks them as used; a page used twice is a loop or a crossed link.
// It is valid until the next page of that depth is read.
func (w *walker) page(id uint64, depth int) ([]byte, error) {
	if id < 2 || id >= w.pages {
		return nil, structural("page %d of %d", id, w.pages)
	}
	b := w.bufs[depth][:]
	if _, err := w.r.ReadAt(b, int64(id)*pageSize); err != nil {
		return nil, structural("page %d: %v", id, err)
	}
	if got := binary.LittleEndian.Uint64(b); got != id {
		return nil, structural("page %d says it is %d", id, got)
	}
	over := uint64(binary.LittleEndian.Uint32(b[12:]))
	if over > maxOverflow || id+over >= w.pages {
		return nil, structural("page %d has %d overflow pages", id, over)
	}
	for p := id; p <= id+over; p++ {
		if w.seen[p/64]&(1<<(p%64)) != 0 {
			return nil, structural("page %d is used twice", p)
		}
		w.seen[p/64] |= 1 << (p % 64)
	}
	if over > 0 {
		more := make([]byte, (over+1)*pageSize)
		copy(more, b)
		if _, err := w.r.ReadAt(more[pageSize:], int64(id+1)*pageSize); err != nil {
			return nil, structural("page %d: %v", id, err)
		}
		b = more
	}
	return b, nil
}

// tree walks the page id and what is below it. All its keys lie in [lo, hi); nil means open.
func (w *walker) tree(id uint64, bucket string, top bool, depth int, lo, hi []byte) error {
	if depth > maxDepth {
		return structural("tree is deeper than %d", maxDepth)
	}
	b, err := w.page(id, depth)
	if err != nil {
		return err
	}
	switch flags := binary.LittleEndian.Uint16(b[8:]); flags {
	case flagLeaf:
		return w.leaf(b, int64(id)*pageSize, bucket, top, depth, lo, hi)
	case flagBranch:
		return w.branch(b, id, bucket, top, depth, lo, hi)
	default:
		return structural("page %d has flags %#x", id, flags)
	}
}

func (w *walker) branch(b []byte, id uint64, bucket string, top bool, depth int, lo, hi []byte) error {
	n := int(binary.LittleEndian.Uint16(b[10:]))
	if n == 0 || pageHead+n*elemSize > len(b) {
		return structural("branch page %d has %d elements", id, n)
	}
	key := func(i int) ([]byte, error) {
		e := pageHead + i*elemSize
		return span(b, e, binary.LittleEndian.Uint32(b[e:]), binary.LittleEndian.Uint32(b[e+4:]))
	}
	k, err := key(0)
	for i := range n {
		if err != nil {
			return err
		}
		if err := ordered(k, lo, hi, i == 0); err != nil {
			return err
		}
		next := hi
		if i+1 < n {
			if next, err = key(i + 1); err != nil {
				return err
			}
		}
		child := binary.LittleEndian.Uint64(b[pageHead+i*elemSize+8:])
		if err := w.tree(child, bucket, top, depth+1, k, next); err != nil {
			return err
		}
		lo, k = k, next
	}
	return nil
}

// leaf walks the elements of a leaf page, which lies at base in the file.
func (w *walker) leaf(b []byte, base int64, bucket string, top bool, depth int, lo, hi []byte) error {
	n := int(binary.LittleEndian.Uint16(b[10:]))
	if pageHead+n*elemSize > len(b) {
		return structural("leaf page has %d elements", n)
	}
	for i := range n {
		e := pageHead + i*elemSize
		flags, pos := binary.LittleEndian.Uint32(b[e:]), binary.LittleEndian.Uint32(b[e+4:])
		ksize, vsize := binary.LittleEndian.Uint32(b[e+8:]), binary.LittleEndian.Uint32(b[e+12:])
		k, err := span(b, e, pos, ksize)
		if err != nil {
			return err
		}
		v, err := span(b, e, pos+ksize, vsize)
		if err != nil {
			return err
		}
		if err := ordered(k, lo, hi, i == 0); err != nil {
			return err
		}
		lo = k
		switch {
		case flags == elemIsBucket && top:
			if err := w.bucket(string(k), v, base+int64(e)+int64(pos+ksize), depth); err != nil {
				return err
			}
		case flags == 0 && !top:
			if err := w.visit(bucket, k, v, base+int64(e)+int64(pos+ksize)); err != nil {
				return err
			}
		default:
			return structural("element flags %#x", flags)
		}
	}
	return nil
}

// bucket walks a bucket by its header: the root page id, or 0 with the page itself inline.
func (w *walker) bucket(name string, v []byte, at int64, depth int) error {
	if len(v) < bucketHead {
		return structural("bucket %q has no header", name)
	}
	if root := binary.LittleEndian.Uint64(v); root != 0 {
		return w.tree(root, name, false, depth+1, nil, nil)
	}
	inline := v[bucketHead:]
	if len(inline) < pageHead || binary.LittleEndian.Uint16(inline[8:]) != flagLeaf ||
		binary.LittleEndian.Uint64(inline) != 0 || binary.LittleEndian.Uint32(inline[12:]) != 0 {
		return structural("bucket %q has no inline page", name)
	}
	return w.leaf(inline, at+bucketHead, name, false, depth+1, nil, nil)
}

// span returns n bytes at pos after the element at e.
func span(b []byte, e int, pos, n uint32) ([]byte, error) {
	from := uint64(e) + uint64(pos)
	to := from + uint64(n)
	if to > uint64(len(b)) {
		return nil, structural("element reaches over its page")
	}
	return b[from:to], nil
}

// ordered checks lo < k < hi, or lo <= k for the first key of a page.
func ordered(k, lo, hi []byte, first bool) error {
	c := 1
	if lo != nil {
		c = bytes.Compare(k, lo)
	}
	if c < 0 || c == 0 && !first || hi != nil && bytes.Compare(k, hi) >= 0 {
		return structural("keys out of order")
	}
	return nil
}
