package sim

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"fountain/hal"
)

// frameReader reads what the plant sends.
type frameReader struct {
	rig  *remoteRig
	in   *bufio.Reader
	head [headerSize]byte
	body []byte
}

func (f *frameReader) run() {
	for f.next() == nil {
	}
	r := f.rig
	r.in.Lock()
	defer r.in.Unlock()
	r.lost = true
	for id, ch := range r.tags {
		close(ch)
		delete(r.tags, id)
	}
}

func (f *frameReader) next() error {
	if _, err := io.ReadFull(f.in, f.head[:]); err != nil {
		return err
	}
	n := int(binary.LittleEndian.Uint32(f.head[4:]))
	if n > maxBody {
		return fmt.Errorf("frame of %d bytes", n)
	}
	if cap(f.body) < n {
		f.body = make([]byte, n)
	}
	f.body = f.body[:n]
	if _, err := io.ReadFull(f.in, f.body); err != nil {
		return err
	}
	r := f.rig
	r.in.Lock()
	defer r.in.Unlock()
	switch f.head[0] {
	case frameSnapshot:
		before := r.snap.goneMask
		if err := r.snap.decode(f.body); err != nil {
			return err
		}
		if r.snap.goneMask != before {
			select {
			case r.arm <- struct{}{}: // the dead-man looks what became of its commands
			default:
			}
		}
		return nil
	case frameTag:
		var a tagAnswer
		if err := json.Unmarshal(f.body, &a); err != nil {
			return fmt.Errorf("read tag: %w", err)
		}
		if ch := r.tags[a.Request]; ch != nil {
			ch <- a // buffered, one answer each
			delete(r.tags, a.Request)
		}
		return nil
	}
	return fmt.Errorf("frame of unknown kind %d", f.head[0])
}

// Interlocks implements hal.Rig.
func (r *remoteRig) Interlocks() hal.InterlockBank { return remoteLocks{r} }

type remoteLocks struct{ r *remoteRig }

// Now implements hal.InterlockBank.
func (l remoteLocks) Now() (hal.Interlocks, error) {
	r := l.r
	r.in.Lock()
	defer r.in.Unlock()
	if r.lost || r.snap.locksGone || r.now()-r.snap.at >= staleAfter {
		return 0, hal.ErrGone
	}
	return r.snap.locks, nil
}

// Meter implements hal.Rig.
func (r *remoteRig) Meter(id string) (hal.FlowMeter, error) {
	if i := slices.Index(r.w.Meters, id); i >= 0 {
		return &remoteMeter{r, i}, nil
	}
	return nil, refuse(r.w.Parts, id, hal.KindMeter)
}

type remoteMeter struct {
	r *remoteRig
	i int
}

// Count implements hal.FlowMeter.
func (m *remoteMeter) Count() hal.Count {
	m.r.in.Lock()
	defer m.r.in.Unlock()
	return m.r.snap.counts[m.i]
}

// Pump implements hal.Rig.
func (r *remoteRig) Pump(id string) (hal.Pump, error) {
	if i := slices.Index(r.w.Pumps, id); i >= 0 {
		return &remotePump{r, i}, nil
	}
	return nil, refuse(r.w.Parts, id, hal.KindPump)
}

type remotePump struct {
	r *remoteRig
	i int
}

func (u *remotePump) send(c command) error {
	u.r.out.Lock()
	defer u.r.out.Unlock()
	if u.r.closed {
		return hal.ErrClosed
	}
	return u.r.send(c)
}

// Dose implements hal.Pump.
func (u *remotePump) Dose(strokes int, every time.Duration) error {
	if strokes <= 0 {
		return nil
	}
	if u.gone() {
		return hal.ErrGone
	}
	return u.send(command{op: opDose, index: uint16(u.i), n: uint32(strokes), a: uint64(max(0, every))})
}

// gone tells whether the pump's chip does not answer.
func (u *remotePump) gone() bool {
	u.r.in.Lock()
	defer u.r.in.Unlock()
	c := u.r.w.PumpChips[u.i]
	return c >= 0 && c < 64 && u.r.snap.goneChips&(1<<c) != 0
}

// Delivered implements hal.Pump.
func (u *remotePump) Delivered() uint64 {
	u.r.in.Lock()
	defer u.r.in.Unlock()
	return u.r.snap.delivered[u.i]
}

// Stop implements hal.Pump.
func (u *remotePump) Stop() error {
	if err := u.send(command{op: opStop, index: uint16(u.i)}); err != nil {
		return err
	}
	if u.gone() {
		return hal.ErrGone
	}
	return nil
}

// Slot implements hal.Rig.
func (r *remoteRig) Slot(id string) (hal.CartridgeSlot, error) {
	if i := slices.Index(r.w.Slots, id); i >= 0 {
		return &remoteSlot{r, i}, nil
	}
	return nil, refuse(r.w.Parts, id, hal.KindSlot)
}

type remoteSlot struct {
	r *remoteRig
	i int
}

// Tag implements hal.CartridgeSlot.
func (s *remoteSlot) Tag(ctx context.Context) (hal.Tag, error) {
	r := s.r
	if err := ctx.Err(); err != nil {
		return hal.Tag{}, fmt.Errorf("read tag of slot %s: %w", r.w.Slots[s.i], err)
	}
	ch := make(chan tagAnswer, 1)
	r.in.Lock()
	if r.lost {
		r.in.Unlock()
		return hal.Tag{}, hal.ErrGone
	}
	r.tagID++
	id := r.tagID
	r.tags[id] = ch
	r.in.Unlock()
	defer func() {
		r.in.Lock()
		delete(r.tags, id)
		r.in.Unlock()
	}()
	r.out.Lock()
	err := hal.ErrClosed
	if !r.closed {
		err = r.send(command{op: opTag, index: uint16(s.i), a: id})
	}
	r.out.Unlock()
	if err != nil {
		return hal.Tag{}, err
	}
	select {
	case a, ok := <-ch:
		switch {
		case !ok:
			return hal.Tag{}, hal.ErrGone
		case a.Error != "":
			return hal.Tag{}, tagError(a.Error)
		}
		return a.Tag, nil
	case <-ctx.Done():
		return hal.Tag{}, fmt.Errorf("read tag of slot %s: %w", r.w.Slots[s.i], ctx.Err())
	}
}

// Sensor implements hal.Rig.
func (r *remoteRig) Sensor(id string) (hal.Sensor, error) {
	if i := slices.Index(r.w.Sensors, id); i >= 0 {
		return &remoteSensor{r, i}, nil
	}
	return nil, refuse(r.w.Parts, id, hal.KindSensor)
}

type remoteSensor struct {
	r *remoteRig
	i int
}

// Read implements hal.Sensor.
func (s *remoteSensor) Read() hal.Reading {
	r := s.r
	now := r.now()
	r.in.Lock()
	defer r.in.Unlock()
	out := r.snap.sensors[s.i].now(now, r.w.Every[s.i])
	if out.Quality == hal.Good && (r.lost || now-r.snap.at >= staleAfter) {
		out.Quality, out.Why = hal.Stale, whys[whyGone]
	}
	return out
}

// tagError finds the error behind its text.
func tagError(text string) error {
	for _, err := range tagErrors {
		if err.Error() == text {
			return err
		}
	}
	return errors.New(text)
}
