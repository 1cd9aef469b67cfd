package sim

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"fountain/hal"
)

// The protocol between fountain-plant and the processes that own lines, on one unix stream socket, little-endian.
//
//	owner ──magic, length, name──►            plant
//	      ◄──length, JSON welcome──           (or an error: busy, unknown owner)
//	      ──command, 32 bytes, any time──►    Apply, Dose, Stop, Safe, Tag, Close
//	      ◄──frame: header, body──            snapshot every 1 ms while something moves, else every 20 ms; tag answers
//
// A connection whose first bytes are not the magic is handed to Server.Other (HTTP).
// SocketName is the plant's socket in a unit's run directory.
const SocketName = "plant.sock"

const (
	magic       = "FPL1"
	commandSize = 32
	headerSize  = 8 // kind (1), three zero bytes, length of the body (4)
	maxBody     = 1 << 20

	frameSnapshot = 1
	frameTag      = 2
)

// Commands.
const (
	opApply byte = 1 + iota
	opDose
	opStop
	opSafe
	opTag
	opClose
	opBeat
)

// command is one fixed-size message of an owner.
type command struct {
	op    byte
	index uint16 // pump or slot
	n     uint32 // strokes
	a, b  uint64 // mask, bits │ every, – │ request id, –
}

func (c command) encode(b *[commandSize]byte) {
	*b = [commandSize]byte{}
	b[0] = c.op
	binary.LittleEndian.PutUint16(b[2:], c.index)
	binary.LittleEndian.PutUint32(b[4:], c.n)
	binary.LittleEndian.PutUint64(b[8:], c.a)
	binary.LittleEndian.PutUint64(b[16:], c.b)
}

func decodeCommand(b *[commandSize]byte) command {
	return command{
		op: b[0], index: binary.LittleEndian.Uint16(b[2:]), n: binary.LittleEndian.Uint32(b[4:]),
		a: binary.LittleEndian.Uint64(b[8:]), b: binary.LittleEndian.Uint64(b[16:]),
	}
}

// welcome tells an owner what it holds. Indexes in commands and snapshots are positions in these lists.
type welcome struct {
	Error  string     `json:"error,omitempty"` // busy, not-owner or a text
	Parts  []hal.Part `json:"parts"`
	Valves []string   `json:"valves"` // bit i of a mask: valves and agitators
	Meters []string   `json:"meters"`
	Pumps  []string   `json:"pumps"`
	Slots  []string   `json:"slots"`
	Chips  []string   `json:"chips"`
	// Sensors and how often each is polled; PumpChips are positions in Chips, −1 for none.
	Sensors   []string        `json:"sensors"`
	Every     []time.Duration `json:"every_ns"`
	PumpChips []int           `json:"pump_chips"`
	Heartbeat time.Duration   `json:"heartbeat_ns,omitempty"` // between two edges; 0: this owner has no heartbeat line
}

const (
	refusedBusy     = "busy"
	refusedNotOwner = "not-owner"
	refusedGone     = "gone" // a chip of the owner's lines is missing
)

// tagErrors are the errors a tag answer can carry; by their text.
var tagErrors = []error{hal.ErrNoTag, hal.ErrForeign, hal.ErrUnreadable, hal.ErrNoReader, hal.ErrGone, hal.ErrUnknownPart}

// tagAnswer is the body of a tag frame.
type tagAnswer struct {
	Request uint64  `json:"request"`
	Tag     hal.Tag `json:"tag"`
	Error   string  `json:"error,omitempty"` // the text of one of tagErrors, or another
}

// snapshot is what an owner knows about its hardware at one time.
type snapshot struct {
	at        time.Duration
	commanded uint64
	goneMask  uint64 // outputs that do not answer, or failed while open
	deadMask  uint64 // of these, the ones that do not answer
	goneChips uint64 // bit per chip
	locks     hal.Interlocks
	locksGone bool
	counts    []hal.Count
	delivered []uint64
	sensors   []reading
	faulty    uint64 // bit per chip: it lost its settings
	slow      uint64 // bit per chip: it answers late
	done      uint64 // commands of this owner that were carried out before
}

func (s *snapshot) size() int {
	return 72 + 32*len(s.counts) + 8*len(s.delivered) + 24*len(s.sensors)
}

// append adds the frame to b.
func (s *snapshot) append(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, frameSnapshot, 0, 0, 0)
	b = le.AppendUint32(b, uint32(s.size()))
	b = le.AppendUint64(b, uint64(s.at))
	b = le.AppendUint64(b, s.commanded)
	b = le.AppendUint64(b, s.goneMask)
	b = le.AppendUint64(b, s.goneChips)
	b = le.AppendUint16(b, uint16(s.locks))
	gone := uint16(0)
	if s.locksGone {
		gone = 1
	}
	b = le.AppendUint16(b, gone)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, s.faulty)
	b = le.AppendUint64(b, s.slow)
	b = le.AppendUint64(b, s.done)
	b = le.AppendUint64(b, s.deadMask)
	for _, c := range s.counts {
		b = le.AppendUint64(b, c.Pulses)
		b = le.AppendUint64(b, c.Lost)
		b = le.AppendUint64(b, uint64(c.Last))
		b = le.AppendUint64(b, uint64(c.Period))
	}
	for _, d := range s.delivered {
		b = le.AppendUint64(b, d)
	}
	for _, r := range s.sensors {
		b = le.AppendUint64(b, math.Float64bits(r.value))
		b = le.AppendUint64(b, uint64(r.at))
		b = le.AppendUint64(b, uint64(r.why))
	}
	return b
}

// decode fills s, whose lists have the right lengths already, from the body of a frame.
func (s *snapshot) decode(b []byte) error {
	if len(b) != s.size() {
		return fmt.Errorf("snapshot of %d bytes, want %d", len(b), s.size())
	}
	le := binary.LittleEndian
	s.at = time.Duration(le.Uint64(b))
	s.commanded, s.goneMask, s.goneChips = le.Uint64(b[8:]), le.Uint64(b[16:]), le.Uint64(b[24:])
	s.locks, s.locksGone = hal.Interlocks(le.Uint16(b[32:])), le.Uint16(b[34:]) == 1
	s.faulty, s.slow, s.done = le.Uint64(b[40:]), le.Uint64(b[48:]), le.Uint64(b[56:])
	s.deadMask = le.Uint64(b[64:])
	b = b[72:]
	for i := range s.counts {
		s.counts[i] = hal.Count{Pulses: le.Uint64(b), Lost: le.Uint64(b[8:]), Last: time.Duration(le.Uint64(b[16:])), Period: time.Duration(le.Uint64(b[24:]))}
		b = b[32:]
	}
	for i := range s.delivered {
		s.delivered[i] = le.Uint64(b)
		b = b[8:]
	}
	for i := range s.sensors {
		why := le.Uint64(b[16:])
		if why >= uint64(len(whys)) {
			return fmt.Errorf("snapshot with a reading of unknown reason %d", why)
		}
		s.sensors[i] = reading{value: math.Float64frombits(le.Uint64(b)), at: time.Duration(le.Uint64(b[8:])), why: uint8(why)}
		b = b[24:]
	}
	return nil
}
