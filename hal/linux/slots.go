package linux

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"fountain/hal"
	"fountain/hal/chips"
)

// slot is a cartridge slot. Without a reader its tag is hal.ErrNoReader: the technician registers the cartridge.
type slot struct {
	rig    *rig
	reader *tagReader // nil: none
}

// recheck is how often a reader that did not answer is asked again, so that Health knows when it is back.
const recheck = 500 * time.Millisecond

// tagReader is a PN532 that reads for one caller at a time.
type tagReader struct {
	slot string
	chip *chips.PN532
	turn chan struct{} // holds one token: who has it may use the chip
	gone atomic.Pointer[string]
	miss chan struct{} // capacity 1: it has just gone
}

func newTagReader(slot string, chip *chips.PN532) *tagReader {
	t := &tagReader{slot: slot, chip: chip, turn: make(chan struct{}, 1), miss: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	return t
}

// use calls f with the chip, alone, and keeps in mind whether it answered.
func (t *tagReader) use(ctx context.Context, f func() error) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.turn:
	}
	defer func() { t.turn <- struct{}{} }()
	err := f()
	switch {
	case ctx.Err() != nil: // whether it would have answered is not known
	case errors.Is(err, hal.ErrGone):
		why := err.Error()
		t.gone.Store(&why)
		select {
		case t.miss <- struct{}{}:
		default:
		}
	default:
		t.gone.Store(nil)
	}
	return err
}

// watch asks a reader that has gone until it answers.
func (t *tagReader) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.miss:
		}
		for t.gone.Load() != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(recheck):
			}
			_ = t.use(ctx, func() error { // what it finds is kept by use
				if err := t.chip.Check(ctx); err != nil {
					return fmt.Errorf("%w: %w", hal.ErrGone, err)
				}
				return nil
			})
		}
	}
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
	var tag hal.Tag
	err := s.reader.use(ctx, func() (err error) {
		tag, err = s.reader.chip.ReadTag(ctx)
		return err
	})
	if err != nil {
		return hal.Tag{}, fmt.Errorf("read the cartridge's tag: %w", err)
	}
	return tag, nil
}
