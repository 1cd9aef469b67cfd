package kiosk

import (
	"cmp"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/mobile"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

// entry is one accessible object of the top layer and where it is.
type entry struct {
	id      string
	obj     fyne.CanvasObject
	acc     Accessible
	rect    paint.Rect // where it is, also the part of it that cannot be seen
	seen    paint.Rect // the part that can be seen
	scrolls []*container.Scroll
}

// element is the entry as GET /tree shows it.
func (a *App) element(e entry) display.Element {
	return display.Element{
		ID: e.id, Role: e.acc.AccessibleRole(), Name: e.acc.AccessibleName(), Value: e.acc.AccessibleValue(),
		Bounds: display.BoundsOf(a.pixels(e.seen)), Enabled: e.acc.AccessibleEnabled(), Focused: a.focus.on(e.id),
	}
}

// reading lists the accessible objects of the top layer in the order a person reads them: row by row, each in the
// direction of the language; what stands in a scroller is read where the scroller stands, seen or not.
func (a *App) reading() []entry {
	screen := paint.Rect{X1: a.canvas.size.Width, Y1: a.canvas.size.Height}
	blocks := collect(a.canvas.top(), fyne.Position{}, screen, nil)
	var out []entry
	arrange(blocks, a.focus.rtl, &out)
	return out
}

// block is an entry, or a scroller with what is in it.
type block struct {
	rect  paint.Rect
	entry *entry
	in    []block
}

func collect(o fyne.CanvasObject, off fyne.Position, clip paint.Rect, scrolls []*container.Scroll) (out []block) {
	if o == nil || !o.Visible() {
		return nil
	}
	pos := off.Add(o.Position())
	own := paint.RectOf(pos, o.Size())
	if acc, ok := o.(Accessible); ok {
		e := &entry{id: acc.AccessibleID(), obj: o, acc: acc, rect: own, seen: own.Intersect(clip), scrolls: scrolls}
		out = append(out, block{rect: own, entry: e})
	}
	kids, clips := paint.Children(o)
	if !clips {
		for _, k := range kids {
			out = append(out, collect(k, pos, clip, scrolls)...)
		}
		return out
	}
	seen := own.Intersect(clip)
	if s, ok := o.(*container.Scroll); ok {
		scrolls = append(slices.Clone(scrolls), s)
	}
	in := block{rect: own}
	for _, k := range kids {
		in.in = append(in.in, collect(k, pos, seen, scrolls)...)
	}
	if len(in.in) > 0 {
		out = append(out, in)
	}
	return out
}

// arrange cuts a page into rows where nothing stands across the cut, rows into columns, those into rows again, until
// nothing can be cut; what overlaps is read from the top.
func arrange(bs []block, rtl bool, out *[]entry) {
	switch {
	case len(bs) == 0:
		return
	case len(bs) == 1:
		if e := bs[0].entry; e != nil {
			*out = append(*out, *e)
		}
		arrange(bs[0].in, rtl, out)
		return
	}
	rows := cut(bs, func(r paint.Rect) (float32, float32) { return r.Y0, r.Y1 })
	if len(rows) > 1 {
		for _, r := range rows {
			arrange(r, rtl, out)
		}
		return
	}
	cols := cut(bs, func(r paint.Rect) (float32, float32) { return r.X0, r.X1 })
	if len(cols) > 1 {
		if rtl {
			slices.Reverse(cols)
		}
		for _, c := range cols {
			arrange(c, rtl, out)
		}
		return
	}
	slices.SortStableFunc(bs, func(a, b block) int {
		x := cmp.Compare(a.rect.X0, b.rect.X0)
		if rtl {
			x = cmp.Compare(b.rect.X1, a.rect.X1)
		}
		return cmp.Or(cmp.Compare(a.rect.Y0, b.rect.Y0), x)
	})
	for _, b := range bs {
		arrange([]block{b}, rtl, out)
	}
}

// across is how far two rows may reach into each other, in Fyne units: pictures of text are larger than their letters.
const across = 8

// cut sorts blocks along one axis and splits them wherever nothing stands across.
func cut(bs []block, span func(paint.Rect) (from, to float32)) (out [][]block) {
	bs = slices.Clone(bs)
	slices.SortStableFunc(bs, func(a, b block) int {
		x, _ := span(a.rect)
		y, _ := span(b.rect)
		return cmp.Compare(x, y)
	})
	var end float32
	for i, b := range bs {
		from, to := span(b.rect)
		if i == 0 || from > end-across {
			out = append(out, nil)
		}
		end = max(end, to)
		out[len(out)-1] = append(out[len(out)-1], b)
	}
	return out
}

// takes reports whether an entry can have the focus: something happens when it is chosen.
func (e entry) takes() bool {
	if !e.acc.AccessibleEnabled() {
		return false
	}
	switch e.acc.AccessibleRole() {
	case "text", "value", "image":
		return false
	}
	switch e.obj.(type) {
	case Holdable, Adjustable, fyne.Tappable, mobile.Touchable:
		return true
	}
	return false
}
