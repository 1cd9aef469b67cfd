package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// A frame wraps every value in every file, because bbolt's pages carry no checksum. Little-endian:
//
//	0  magic "SFR1"      8  seq u64                 24  len(id) u16, two zero bytes   32  id, body
//	4  CRC32C of 8…      16 stored, Unix ms i64     28  len(body) u32
//
// In a segment seq is the record's and id the intent it closes; in state.db id is "<bucket>/<key>", so that a value under
// the wrong key is noticed too.
type frame struct {
	seq    uint64
	stored int64
	id     string
	body   []byte
	sum    uint32 // checksum; set by decodeFrame, ignored by encode
	extent extent // where it was found; set by walkFrames
}

// extent is where a frame lies in its file.
type extent struct {
	at   int64
	size int
}

const (
	frameMagic = 0x31524653
	frameHead  = 32
	maxID      = 1 << 10
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errFrame = errors.New("value is damaged")
)

func (f frame) encode() []byte {
	b := make([]byte, frameHead+len(f.id)+len(f.body))
	binary.LittleEndian.PutUint32(b[0:], frameMagic)
	binary.LittleEndian.PutUint64(b[8:], f.seq)
	binary.LittleEndian.PutUint64(b[16:], uint64(f.stored))
	binary.LittleEndian.PutUint16(b[24:], uint16(len(f.id)))
	binary.LittleEndian.PutUint32(b[28:], uint32(len(f.body)))
	copy(b[frameHead:], f.id)
	copy(b[frameHead+len(f.id):], f.body)
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	return b
}

// decodeFrame verifies b. The body points into b.
func decodeFrame(b []byte) (frame, error) {
	if len(b) < frameHead || binary.LittleEndian.Uint32(b) != frameMagic {
		return frame{}, fmt.Errorf("%w: no frame", errFrame)
	}
	if crc32.Checksum(b[8:], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return frame{}, fmt.Errorf("%w: checksum differs", errFrame)
	}
	idLen := int(binary.LittleEndian.Uint16(b[24:]))
	bodyLen := uint64(binary.LittleEndian.Uint32(b[28:]))
	if binary.LittleEndian.Uint16(b[26:]) != 0 || uint64(len(b)) != frameHead+uint64(idLen)+bodyLen {
		return frame{}, fmt.Errorf("%w: length differs", errFrame)
	}
	return frame{
		seq:    binary.LittleEndian.Uint64(b[8:]),
		stored: int64(binary.LittleEndian.Uint64(b[16:])),
		id:     string(b[frameHead : frameHead+idLen]),
		body:   b[frameHead+idLen:],
		sum:    binary.LittleEndian.Uint32(b[4:]),
	}, nil
}

// entry copies the frame out of the transaction.
func (f frame) entry(log string) Entry {
	return Entry{Log: log, Seq: f.seq, Intent: f.id, Stored: time.UnixMilli(f.stored), Body: append([]byte(nil), f.body...)}
}

func seqKey(seq uint64) []byte {
	var k [8]byte
	binary.BigEndian.PutUint64(k[:], seq)
	return k[:]
}
