package sim

import (
	"encoding/binary"
	"fmt"
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
	Valves []string   `json:"valves"` // bit i of a mask
	Meters []string   `json:"meters"`
	Pumps  []string   `json:"pumps"`
	Slots  []string   `json:"slots"`
	Chips  []string   `json:"chips"`
}

const (
	refusedBusy     = "busy"
	refusedNotOwner = "not-owner"
)

// tagAnswer is the body of a tag frame.
type tagAnswer struct {
	Request uint64  `json:"request"`
	Tag     hal.Tag `json:"tag"`
	Error   string  `json:"error,omitempty"` // no-tag, or a text
}

// snapshot is what an owner knows about its hardware at one time.
type snapshot struct {
	at        time.Duration
	commanded uint64
	goneMask  uint64 // valves that do not answer
	goneChips uint64 // bit per chip
	locks     hal.Interlocks
	locksGone bool
	counts    []hal.Count
	delivered []uint64
}

func (s *snapshot) size() int { return 40 + 24*len(s.counts) + 8*len(s.delivered) }

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
	for _, c := range s.counts {
		b = le.AppendUint64(b, c.Pulses)
		b = le.AppendUint64(b, uint64(c.Last))
		b = le.AppendUint64(b, uint64(c.Period))
	}
	for _, d := range s.delivered {
		b = le.AppendUint64(b, d)
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
	b = b[40:]
	for i := range s.counts {
		s.counts[i] = hal.Count{Pulses: le.Uint64(b), Last: time.Duration(le.Uint64(b[8:])), Period: time.Duration(le.Uint64(b[16:]))}
		b = b[24:]
	}
	for i := range s.delivered {
		s.delivered[i] = le.Uint64(b)
		b = b[8:]
	}
	return nil
}
