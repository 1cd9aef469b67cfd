package linux

import (
	"context"
	"fmt"

	"fountain/hal"
	"fountain/hal/chips"
)

// slot is a cartridge slot. Without a reader its tag is hal.ErrNoReader: the technician registers the cartridge.
type slot struct {
	rig    *rig
	reader *tagReader // nil: none
}

// tagReader is a PN532 that reads for one caller at a time.
type tagReader struct {
	chip *chips.PN532
	turn chan struct{} // holds one token: who has it may use the chip
}

func newTagReader(chip *chips.PN532) *tagReader {
	t := &tagReader{chip: chip, turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t
}

// Tag implements hal.CartridgeSlot.
func (s *slot) Tag(ctx context.Context) (hal.Tag, error) {
	if err := ctx.Err(); err != nil {
		return hal.Tag{}, err
	}
	switch {
	case s.rig.closed.Load():
		return hal.Tag{}, hal.ErrClosed
	case s.reader == nil:
		return hal.Tag{}, hal.ErrNoReader
	}
	select {
	case <-ctx.Done():
		return hal.Tag{}, ctx.Err()
	case <-s.reader.turn:
	}
	defer func() { s.reader.turn <- struct{}{} }()
	tag, err := s.reader.chip.ReadTag(ctx)
	if err != nil {
		return hal.Tag{}, fmt.Errorf("read the cartridge's tag: %w", err)
	}
	return tag, nil
}
