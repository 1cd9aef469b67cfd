package chips

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"fountain/hal"
)

// MaxTag is the user memory of an NTAG213, the smallest of its family: what a tag may take.
const MaxTag = 144

// The layout of a cartridge's tag, from the first user page on; numbers are little-endian:
//
//	 0  4  magic "FCT1"; another digit is another version
//	 4  2  size of all, with the check sum
//	 6  2  zero
//	 8  8  volume left, µL
//	16  8  expiry, Unix seconds
//	24  …  id, ingredient, lot: each a length byte and UTF-8 text; id and ingredient are not empty
//	 …  4  CRC-32C of all before
//
// What follows is not looked at. There is one encoding of a tag: DecodeTag refuses all others.
const (
	tagMagic = "FCT1"
	tagHead  = 24
	tagMin   = tagHead + 3 + 2 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodeTag writes t as it stands on a tag, with whole seconds. It refuses a tag that does not fit MaxTag, that has no id or
// ingredient, a text beyond 255 bytes or a negative volume.
func EncodeTag(t hal.Tag) ([]byte, error) {
	if t.ID == "" || t.Ingredient == "" || t.VolumeUL < 0 {
		return nil, fmt.Errorf("encode tag %q: it needs an id, an ingredient and a volume that is not negative", t.ID)
	}
	b := append([]byte(tagMagic), 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(t.VolumeUL))
	b = binary.LittleEndian.AppendUint64(b, uint64(t.Expires.Unix()))
	for _, s := range []string{t.ID, t.Ingredient, t.Lot} {
		if len(s) > 255 {
			return nil, fmt.Errorf("encode tag %q: a text of %d bytes", t.ID, len(s))
		}
		b = append(append(b, byte(len(s))), s...)
	}
	if n := len(b) + 4; n > MaxTag {
		return nil, fmt.Errorf("encode tag %q: %d bytes, a tag takes %d", t.ID, n, MaxTag)
	}
	binary.LittleEndian.PutUint16(b[4:], uint16(len(b)+4))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

// tagSize reads how many bytes a tag takes from its first ones.
func tagSize(b []byte) (int, error) {
	if len(b) < 8 || string(b[:3]) != tagMagic[:3] {
		return 0, hal.ErrForeign
	}
	if b[3] != tagMagic[3] {
		return 0, fmt.Errorf("a tag of version %q: %w", b[3], hal.ErrForeign)
	}
	n := int(binary.LittleEndian.Uint16(b[4:]))
	if n < tagMin || n > MaxTag {
		return 0, fmt.Errorf("a tag of %d bytes: %w", n, hal.ErrUnreadable)
	}
	return n, nil
}

// DecodeTag reads a tag's user memory. hal.ErrForeign when it is not a cartridge of ours, hal.ErrUnreadable when it is
// damaged.
func DecodeTag(b []byte) (hal.Tag, error) {
	n, err := tagSize(b)
	if err != nil {
		return hal.Tag{}, err
	}
	if len(b) < n {
		return hal.Tag{}, fmt.Errorf("%d of %d bytes: %w", len(b), n, hal.ErrUnreadable)
	}
	body := b[:n-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[n-4:]) {
		return hal.Tag{}, fmt.Errorf("check sum: %w", hal.ErrUnreadable)
	}
	t := hal.Tag{
		VolumeUL: int64(binary.LittleEndian.Uint64(body[8:])),
		Expires:  time.Unix(int64(binary.LittleEndian.Uint64(body[16:])), 0).UTC(),
	}
	rest := body[tagHead:]
	for _, s := range []*string{&t.ID, &t.Ingredient, &t.Lot} {
		if len(rest) < 1 || len(rest) < 1+int(rest[0]) {
			return hal.Tag{}, fmt.Errorf("texts: %w", hal.ErrUnreadable)
		}
		*s, rest = string(rest[1:1+rest[0]]), rest[1+rest[0]:]
	}
	if len(rest) != 0 || body[6] != 0 || body[7] != 0 || t.ID == "" || t.Ingredient == "" || t.VolumeUL < 0 {
		return hal.Tag{}, fmt.Errorf("content: %w", hal.ErrUnreadable)
	}
	return t, nil
}
