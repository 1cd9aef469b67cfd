//go:build linux

package drm

import (
	"errors"
	"image"

	"golang.org/x/sys/unix"

	"fountain/internal/logkey"
	"fountain/touchui/display"
)

// watch reads the card's events until Close.
func (d *Display) watch() {
	defer close(d.ended)
	for {
		d.mu.Lock()
		closed, lost := d.closed, d.lost
		d.mu.Unlock()
		if closed {
			return
		}
		limit := retryEvery
		if lost == nil || errors.Is(lost, ErrGone) {
			limit = -1
		}
		h, err := d.card.wait(limit)
		if h.flips > 0 {
			d.flipped()
		}
		if err != nil {
			d.mu.Lock()
			d.lose(err)
			d.mu.Unlock()
			if !errors.Is(err, unix.ENODEV) {
				d.log.Error("read events of the display", logkey.Path, d.Name(), logkey.Err, err)
			}
			<-d.quit // it says nothing more
			return
		}
		if h.changed || lost != nil {
			d.look()
		}
	}
}

func (d *Display) flipped() {
	d.mu.Lock()
	d.pending = false
	d.mu.Unlock()
	select {
	case d.flip <- struct{}{}:
	default:
	}
	d.told()
}

// look asks whether the panel is there, and shows the newest picture when it is there again. Setting a mode takes long;
// Present does not wait for it.
func (d *Display) look() {
	k, err := d.card.connector(d.out.connector.id)
	if err == nil && !k.on {
		err = ErrUnplugged
	}
	d.mu.Lock()
	if err != nil {
		d.lose(err)
		d.mu.Unlock()
		return
	}
	lost, shown := d.lost, d.front
	d.mu.Unlock()
	if lost == nil {
		return // something else was plugged
	}
	_ = d.card.takeMaster() // whoever took it may have left
	if err := d.card.show(d.out.crtc, d.bufs[shown].fb, d.out.connector.id, d.out.mode); err != nil {
		d.mu.Lock()
		d.lose(err)
		d.mu.Unlock()
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lost = nil
	d.log.Info("the display is back", logkey.Path, d.Name())
	if d.front != shown {
		_ = d.turn() // what was presented meanwhile; an error is told by the next Present
	}
}

// maxRegion bounds the rectangles kept apart; more become one.
const maxRegion = 24

// region is a set of rectangles.
type region []image.Rectangle

func (g *region) add(rects ...image.Rectangle) {
	for _, r := range rects {
		if r.Empty() || g.covers(r) {
			continue
		}
		if len(*g) >= maxRegion {
			for _, o := range *g {
				r = r.Union(o)
			}
			*g = (*g)[:0]
		}
		*g = append(*g, r)
	}
}

func (g *region) covers(r image.Rectangle) bool {
	for _, o := range *g {
		if r.In(o) {
			return true
		}
	}
	return false
}

// write copies the region of a frame in the buffer's own format.
func (b *buffer) write(f *display.Frame, g region) {
	for _, r := range g {
		r = r.Intersect(f.Bounds())
		for y := r.Min.Y; y < r.Max.Y; y++ {
			copy(b.mem[y*int(b.pitch)+4*r.Min.X:], f.Row(r, y))
		}
	}
}
