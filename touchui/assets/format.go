package assets

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

const (
	magic      = "FTNPACK\n"
	version    = 1
	headerSize = 64
	pageSize   = 4096 // of the file; a kernel with larger pages only gives less back

	sideMax     = 1 << 13 // pixels of a screen or a picture
	nameMax     = 1 << 10 // bytes of a key, a look, a catalogue
	picturesMax = 1 << 14
	indexMax    = 4 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// header is the first 64 bytes.
type header struct {
	FileSize  uint64
	IndexAt   uint64
	IndexSize uint32
	IndexSum  uint32
}

// headerFields is how a header lies in the file, without magic and checksum.
type headerFields struct {
	Version uint32
	_       uint32
	header
	_ [20]byte
}

func (h header) encode() []byte {
	var b bytes.Buffer
	b.WriteString(magic)
	_ = binary.Write(&b, binary.LittleEndian, headerFields{Version: version, header: h}) // fixed size: cannot fail
	return binary.LittleEndian.AppendUint32(b.Bytes(), checksum(b.Bytes()))
}

func decodeHeader(b []byte) (header, error) {
	if len(b) < headerSize || string(b[:len(magic)]) != magic {
		return header{}, fmt.Errorf("%w: it does not begin as one", ErrDamaged)
	}
	b = b[:headerSize]
	if checksum(b[:headerSize-4]) != binary.LittleEndian.Uint32(b[headerSize-4:]) {
		return header{}, fmt.Errorf("%w: checksum of the header", ErrDamaged)
	}
	var f headerFields
	_ = binary.Read(bytes.NewReader(b[len(magic):]), binary.LittleEndian, &f) // length was checked
	if f.Version != version {
		return header{}, fmt.Errorf("%w program: version %d of the file, not %d", ErrForeign, f.Version, version)
	}
	h := f.header
	if h.IndexSize > indexMax || h.IndexAt < headerSize || h.FileSize < h.IndexAt || h.FileSize-h.IndexAt != uint64(h.IndexSize) {
		return header{}, fmt.Errorf("%w: its index cannot lie where it says", ErrDamaged)
	}
	return h, nil
}

// entry is one picture in the index.
type entry struct {
	key  string
	size image.Point // as seen
	at   uint64      // of the first pixel
	sum  uint32
}

// bytes of the picture's pixels; rows follow each other without a gap.
func (e entry) bytes() uint64 { return uint64(e.size.X) * uint64(e.size.Y) * 4 }

// index is what a pack is for and what it holds.
type index struct {
	meta    Meta
	entries []entry
}

func (x index) encode() []byte {
	le := binary.LittleEndian
	str := func(b []byte, s string) []byte { return append(le.AppendUint16(b, uint16(len(s))), s...) }
	b := le.AppendUint32(nil, uint32(x.meta.Width))
	b = le.AppendUint32(b, uint32(x.meta.Height))
	b = append(b, byte(x.meta.Rotation), byte(x.meta.Format))
	b = str(str(b, x.meta.Look), x.meta.Catalogue)
	b = le.AppendUint32(b, uint32(len(x.entries)))
	for _, e := range x.entries {
		b = str(b, e.key)
		b = le.AppendUint32(le.AppendUint32(b, uint32(e.size.X)), uint32(e.size.Y))
		b = le.AppendUint32(le.AppendUint64(b, e.at), e.sum)
	}
	return b
}

// decodeIndex reads an index whose pictures must lie between header and end.
func decodeIndex(b []byte, end uint64) (index, error) {
	r := reader{b: b}
	m := Meta{Width: int(r.u32()), Height: int(r.u32()), Rotation: paint.Rotation(r.u8()), Format: display.PixelFormat(r.u8())}
	m.Look, m.Catalogue = r.str(), r.str()
	n := r.u32()
	if r.short || n > picturesMax {
		return index{}, fmt.Errorf("%w: the index ends early", ErrDamaged)
	}
	if err := m.check(); err != nil {
		return index{}, err
	}
	x := index{meta: m}
	for range n {
		e := entry{key: r.str()}
		e.size = image.Pt(int(r.u32()), int(r.u32()))
		e.at, e.sum = r.u64(), r.u32()
		if r.short {
			return index{}, fmt.Errorf("%w: the index ends early", ErrDamaged)
		}
		if e.size.X <= 0 || e.size.X > sideMax || e.size.Y <= 0 || e.size.Y > sideMax || e.at < headerSize || e.at%pageSize != 0 ||
			e.at > end || end-e.at < e.bytes() || len(e.key) > nameMax {
			return index{}, fmt.Errorf("%w: picture %q cannot lie where the index says", ErrDamaged, e.key)
		}
		x.entries = append(x.entries, e)
	}
	if len(r.b) > 0 {
		return index{}, fmt.Errorf("%w: the index goes on after its end", ErrDamaged)
	}
	return x, nil
}

// reader takes numbers from the front; short is set once there is too little.
type reader struct {
	b     []byte
	short bool
}

func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.short, r.b = true, nil
		return make([]byte, n)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u8() byte    { return r.take(1)[0] }
func (r *reader) u16() uint16 { return binary.LittleEndian.Uint16(r.take(2)) }
func (r *reader) u32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) u64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) str() string { return string(r.take(int(r.u16()))) }
