// Package beat is the packet between the control loop and the guard, and the guard's last-beat file.
//
//	fountaind control loop ──Packet, every 50 ms──► fountain-guard ──Reply──► control loop
//	                                                     └── Last (mapped file) ──► read by the agent after a crash
//
// The socket is unix seqpacket; both sides exchange fixed 64-byte packets, little-endian, closed by a CRC32C.
// The package imports std and x/sys only: the guard links it.
package beat

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"
)

// Timing of the beat (DESIGN 3).
const (
	Period = 50 * time.Millisecond  // the control loop sends one packet this often
	Limit  = 150 * time.Millisecond // the guard shuts MASTER this long after the last packet
)

// Size of every packet in bytes.
const Size = 64

// Errors of decoding.
var (
	ErrSize  = errors.New("beat packet has the wrong size")
	ErrMagic = errors.New("not a beat packet")
	ErrCRC   = errors.New("beat packet is damaged")
)

const (
	packetMagic = 0x31544246 // "FBT1"
	replyMagic  = 0x31524246 // "FBR1"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Packet is one beat of the control loop.
type Packet struct {
	Session    uint64   // random per arming; a guard that shut MASTER opens it only for a new session
	Tick       uint64   // grows by one each packet
	WantMaster bool     // MASTER should be open
	Pour       [16]byte // ULID of the active pour; zero when idle
	CountedUL  int64    // counted so far in this pour, µL
	RateULs    int64    // flow now, µL/s
}

// Encode writes p into b.
func (p Packet) Encode(b *[Size]byte) {
	*b = [Size]byte{}
	binary.LittleEndian.PutUint32(b[0:], packetMagic)
	if p.WantMaster {
		b[4] = 1
	}
	binary.LittleEndian.PutUint64(b[8:], p.Session)
	binary.LittleEndian.PutUint64(b[16:], p.Tick)
	copy(b[24:40], p.Pour[:])
	binary.LittleEndian.PutUint64(b[40:], uint64(p.CountedUL))
	binary.LittleEndian.PutUint64(b[48:], uint64(p.RateULs))
	seal(b)
}

// DecodePacket reads a packet; ErrSize, ErrMagic or ErrCRC when it is none.
func DecodePacket(b []byte) (Packet, error) {
	if err := check(b, packetMagic); err != nil {
		return Packet{}, err
	}
	p := Packet{
		WantMaster: b[4] == 1,
		Session:    binary.LittleEndian.Uint64(b[8:]),
		Tick:       binary.LittleEndian.Uint64(b[16:]),
		CountedUL:  int64(binary.LittleEndian.Uint64(b[40:])),
		RateULs:    int64(binary.LittleEndian.Uint64(b[48:])),
	}
	copy(p.Pour[:], b[24:40])
	return p, nil
}

// Reason says why the guard holds MASTER shut.
type Reason uint8

// Reasons of the guard.
const (
	ReasonNone       Reason = iota // MASTER is open, or shut because it was not asked for
	ReasonNoBeat                   // no beat for Limit
	ReasonEStop                    // emergency stop
	ReasonLeak                     // leak input
	ReasonTime                     // open longer than max_open
	ReasonVolume                   // volume or time × q_max bound reached
	ReasonHardware                 // the rig failed
	ReasonShutdown                 // the guard is stopping
	ReasonDisconnect               // the agent's connection closed
)

var reasonNames = [...]string{"none", "no_beat", "e_stop", "leak", "time_limit", "volume_limit", "hardware", "shutdown", "disconnect"}

// String returns the reason as it stands in records and logs.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "unknown"
}

// Reply is the guard's answer to one packet, also sent unasked when MASTER shuts.
type Reply struct {
	Session    uint64
	Tick       uint64
	MasterOpen bool
	Latched    bool // shut until re-armed with a new session
	EStop      bool
	Leak       bool
	Unfed      bool // the hardware watchdog cannot be fed
	Reason     Reason
}

// Encode writes r into b.
func (r Reply) Encode(b *[Size]byte) {
	*b = [Size]byte{}
	binary.LittleEndian.PutUint32(b[0:], replyMagic)
	b[4] = flag(r.MasterOpen, 1) | flag(r.Latched, 2) | flag(r.EStop, 4) | flag(r.Leak, 8) | flag(r.Unfed, 16)
	b[5] = byte(r.Reason)
	binary.LittleEndian.PutUint64(b[8:], r.Session)
	binary.LittleEndian.PutUint64(b[16:], r.Tick)
	seal(b)
}

// DecodeReply reads a reply; ErrSize, ErrMagic or ErrCRC when it is none.
func DecodeReply(b []byte) (Reply, error) {
	if err := check(b, replyMagic); err != nil {
		return Reply{}, err
	}
	return Reply{
		Session:    binary.LittleEndian.Uint64(b[8:]),
		Tick:       binary.LittleEndian.Uint64(b[16:]),
		MasterOpen: b[4]&1 != 0,
		Latched:    b[4]&2 != 0,
		EStop:      b[4]&4 != 0,
		Leak:       b[4]&8 != 0,
		Unfed:      b[4]&16 != 0,
		Reason:     Reason(b[5]),
	}, nil
}

func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}

func seal(b *[Size]byte) {
	binary.LittleEndian.PutUint32(b[Size-4:], crc32.Checksum(b[:Size-4], castagnoli))
}

func check(b []byte, magic uint32) error {
	switch {
	case len(b) != Size:
		return ErrSize
	case binary.LittleEndian.Uint32(b) != magic:
		return ErrMagic
	case binary.LittleEndian.Uint32(b[Size-4:]) != crc32.Checksum(b[:Size-4], castagnoli):
		return ErrCRC
	}
	return nil
}
