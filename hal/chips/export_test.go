package chips

import (
	"encoding/binary"
	"hash/crc32"
)

// seal gives a tag's body the size and the check sum it needs.
func seal(body []byte) []byte {
	b := append([]byte(nil), body...)
	if len(b) > 6 {
		binary.LittleEndian.PutUint16(b[4:], uint16(len(b)+4))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}
