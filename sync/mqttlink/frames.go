package mqttlink

import (
	"errors"

	"fountain/sync/wire"
)

// packetMost is more than a packet of AWS's can have, topic and headers included.
const packetMost = wire.MaxPayload + 64<<10

var errPacket = errors.New("the service sent a packet that is larger than any may be")

// frames follows the packets of a stream by their headers alone. paho makes room for what a header announces, up to 256 MB,
// before a byte of it has come; the process that pours must not be short of memory by it.
type frames struct {
	left   int  // bytes of the packet under way
	header bool // its length is being read
	length int
	shift  int
}

// take takes in what was read; false: a packet is too large.
func (f *frames) take(b []byte) bool {
	for len(b) > 0 {
		if f.left > 0 {
			n := min(f.left, len(b))
			f.left, b = f.left-n, b[n:]
			continue
		}
		c := b[0]
		b = b[1:]
		if !f.header {
			*f = frames{header: true}
			continue
		}
		f.length |= int(c&0x7f) << f.shift
		f.shift += 7
		if f.length > packetMost || f.shift > 28 {
			return false
		}
		if c&0x80 == 0 {
			*f = frames{left: f.length}
		}
	}
	return true
}
