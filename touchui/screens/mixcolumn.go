package screens

import (
	"fmt"
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/widget"

	"fountain/agent/beverage"
	"fountain/touchui/art"
	"fountain/touchui/kiosk"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// mixColumn is one level of the mix: one target over its whole height. A tap sets the level, a drag moves it, so do keys.
// What is full is one picture; what is empty covers it from above, down to the level.
type mixColumn struct {
	widget.BaseWidget
	page       *mixPage
	i          int
	l          *sheet.Look
	plan       mixPlan
	w, h, zone int // zone: the name's, which never drains
	k          float64

	box    *fyne.Container
	full   *canvas.Image
	dry    *canvas.Rectangle
	edge   *canvas.Image
	number *canvas.Image
	grip   *canvas.Image
	top    *canvas.Image // the upper corners

	from []int   // shares when a drag began; nil: none
	went float32 // how far it has dragged, upwards
}

var (
	_ kiosk.Adjustable = (*mixColumn)(nil)
	_ fyne.Draggable   = (*mixColumn)(nil)
	_ fyne.Tappable    = (*mixColumn)(nil)
)

func newMixColumn(p *mixPage, i int, l *sheet.Look, m mixPlan) *mixColumn {
	g := l.Geo
	c := &mixColumn{page: p, i: i, l: l, plan: m, w: g.I(m.colW), h: g.I(m.colH), zone: g.I(m.zone), k: m.k * g.K}
	c.full = sheet.Picture(c.poster(), 0, 0)
	c.dry = canvas.NewRectangle(l.Roles.Sunk)
	c.edge = sheet.Picture(c.surface(), 0, 0)
	c.number = sheet.Picture(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0)
	c.grip = sheet.Picture(image.NewRGBA(image.Rect(0, 0, 1, 1)), 0, 0)
	c.top = sheet.Picture(c.corners(), 0, 0)
	c.box = &fyne.Container{Objects: []fyne.CanvasObject{c.full, c.dry, c.edge, c.top, c.number, c.grip}}
	c.ExtendBaseWidget(c)
	c.Resize(fyne.NewSize(float32(c.w), float32(c.h)))
	c.show()
	return c
}

func (c *mixColumn) part() part { return c.page.mix.cols[c.i] }

// reach is how far a level goes, from 0 to 100 %.
func (c *mixColumn) reach() int { return c.h - c.zone }

// show moves everything to the level.
func (c *mixColumn) show() {
	share := c.part().share
	y := c.reach() * (100 - share) / 100
	c.dry.Resize(fyne.NewSize(float32(c.w), float32(y)))
	eh := c.edge.Image.Bounds().Dy()
	c.edge.Move(fyne.NewPos(0, float32(y-eh)))
	shown(c.edge, y > eh)
	inGrip := c.plan.inGrip || float64(y) < c.l.Geo.S(c.plan.numPX+c.plan.gripH/2)+20*c.k
	grip := c.handle(share, inGrip)
	sheet.Replace(c.grip, grip)
	gw, gh := grip.Rect.Dx(), grip.Rect.Dy()
	gy := max(int(8*c.k), min(y-gh/2, c.reach()-gh+int(4*c.k))) // never on the name
	c.grip.Move(fyne.NewPos(float32((c.w-gw)/2), float32(gy)))
	shown(c.number, !inGrip)
	if !inGrip {
		img := c.digits(share, c.l.Geo.S(c.plan.numPX), c.l.Roles.Ink)
		sheet.Replace(c.number, img)
		c.number.Move(fyne.NewPos(float32((c.w-img.Rect.Dx())/2), float32(gy-img.Rect.Dy()-int(16*c.k))))
	}
	c.Refresh()
}

// poster is the full column: field, motif, and the name on plain field below it.
func (c *mixColumn) poster() *image.RGBA {
	l, o := c.l, c.part().offer
	return l.Compose(func() *image.RGBA {
		col := l.Colours(o.Brand.Palette)
		q := l.Picture(c.w, c.h, col.Primary)
		foot := c.h - c.zone - int(24*c.k)
		if !col.Plain {
			q.Motif(o.Brand.Motif, col, image.Rect(0, foot-c.w, c.w, foot), nil)
		}
		pad, frame := c.plan.colW*.08*l.Geo.K, 0.0
		if col.Plain {
			frame = max(theme.LinePlain*l.Geo.K, 2)
		}
		lines, px := art.FitName(l.Fonts, drinkName(l.Words, o), l.At(c.plan.namePX, .94, theme.Condensed, -.01), float64(c.w)-2*pad, float64(c.zone)-11*c.k-2*frame, 10*l.Geo.K, 2)
		sz := theme.Size{PX: px, Line: .94, Cut: theme.Condensed, Track: -.01}
		high := px * sz.Line * float64(len(lines))
		q.Lines(lines, pad, float64(c.h)-(float64(c.zone)+high+frame)/2, art.Style{Size: sz, Color: col.Ink}, art.Left)
		r := theme.RadiusCard * c.k
		if col.Plain {
			r = theme.RadiusPlain * l.Geo.K
			q.Frame(0, 0, float64(c.w), float64(c.h), r, max(theme.LinePlain*l.Geo.K, 2), col.Ink)
		}
		return q.Corners(r, l.Roles.BG).RGBA
	}, "mixcol/%s/%dx%d", o.Beverage.ID, c.w, c.h)
}

// surface is what stands over the level: a low wave.
func (c *mixColumn) surface() *image.RGBA {
	l, o := c.l, c.part().offer
	h := max(int(18*c.k), 4)
	if l.Roles.Plain {
		h = max(int(theme.LinePlain*l.Geo.K), 2)
	}
	return l.Compose(func() *image.RGBA {
		if l.Roles.Plain {
			return l.Picture(c.w, h, l.Roles.Ink).RGBA
		}
		q := l.Picture(c.w, h, l.Roles.Sunk)
		w := float64(c.w)
		q.Fill(art.NewPath(art.Translate(0, 0)).Move(0, float64(h)).Quad(w*.22, -float64(h)*.9, w*.62, float64(h)).Close(), l.Colours(o.Brand.Palette).Primary)
		return q.RGBA
	}, "mixedge/%s/%dx%d", o.Brand.ID, c.w, h)
}

// corners cut the upper corners of a column whatever stands in it; in high contrast they are its outline.
func (c *mixColumn) corners() *image.RGBA {
	l := c.l
	r := theme.RadiusCard * c.k
	return l.Compose(func() *image.RGBA {
		if l.Roles.Plain {
			q := art.Clear(l.Fonts, c.w, c.h)
			q.Frame(0, 0, float64(c.w), float64(c.h), theme.RadiusPlain*l.Geo.K, max(theme.LinePlain*l.Geo.K, 2), l.Roles.Line)
			return q.RGBA
		}
		q := art.Clear(l.Fonts, c.w, int(r+.5))
		w := float64(c.w)
		q.Fill(art.NewPath(art.Translate(0, 0)).Move(0, 0).Arc(r, r, r, r, 270, 360, false).Line(0, 0).Close(), l.Roles.BG)
		q.Fill(art.NewPath(art.Translate(0, 0)).Move(w, 0).Arc(w-r, r, r, r, 0, 90, false).Line(w, 0).Close(), l.Roles.BG)
		return q.RGBA
	}, "mixtop/%dx%d", c.w, c.h)
}

// handle is the sign that a level can be moved, with the share in it where there is no room above.
func (c *mixColumn) handle(share int, inGrip bool) *image.RGBA {
	l := c.l
	w, h, px := l.Geo.I(c.plan.gripW), l.Geo.I(c.plan.gripH), l.Geo.S(c.plan.numPX)
	if inGrip && !c.plan.inGrip {
		w, h, px = w*7/5, h*13/10, float64(h)*.9
	}
	key := -1
	if inGrip {
		key = share
	}
	return l.Compose(func() *image.RGBA {
		q := art.Clear(l.Fonts, w, h)
		q.Round(0, 0, float64(w), float64(h), float64(h)/2, l.Roles.Active)
		s, from := float64(h)*.62, .3
		if inGrip {
			s, from = float64(h)*.44, .14
			img := c.digits(share, px, l.Roles.OnActive)
			sheet.DrawOver(q.RGBA, img, (w-img.Rect.Dx())/2, (h-img.Rect.Dy())/2-int(px*.04))
		} else {
			q.Icon("minus", float64(w)*.5-s*.35, (float64(h)-s*.7)/2, s*.7, l.Roles.OnActive)
		}
		q.Icon("up", float64(w)*from-s/2, (float64(h)-s)/2, s, l.Roles.OnActive)
		q.Icon("down", float64(w)*(1-from)-s/2, (float64(h)-s)/2, s, l.Roles.OnActive)
		return q.RGBA
	}, "mixgrip/%d/%dx%d", key, w, h)
}

// digits are the share in figures.
func (c *mixColumn) digits(share int, px float64, fg color.RGBA) *image.RGBA {
	l := c.l
	big := theme.Size{PX: px, Line: 1, Cut: theme.Display, Track: -.02}
	return l.Compose(func() *image.RGBA {
		small := big
		small.PX *= .54
		n := l.Words.Number(float64(share), 0)
		w, sw := l.Fonts.Width(n, big.Cut, big.PX, big.Track), l.Fonts.Width("%", small.Cut, small.PX, small.Track)
		q := art.Clear(l.Fonts, int(w+sw+4), int(big.PX))
		q.Text(n, 0, 0, art.Style{Size: big, Color: fg}, art.Left)
		dy := l.Fonts.Baseline(big.Cut, big.PX, 1) - l.Fonts.Baseline(small.Cut, small.PX, 1)
		q.Text("%", w+2, dy, art.Style{Size: small, Color: fg}, art.Left)
		return q.RGBA
	}, "mixnum/%d/%v/%v", share, big.PX, fg)
}

// CreateRenderer implements fyne.Widget.
func (c *mixColumn) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(c.box) }

// Forget drops the pictures of a column that is not shown again.
func (c *mixColumn) Forget() {
	for _, i := range []*canvas.Image{c.full, c.edge, c.number, c.grip, c.top} {
		i.Image = nil
	}
}

// Tapped implements fyne.Tappable: the level goes to the finger.
func (c *mixColumn) Tapped(e *fyne.PointEvent) {
	c.page.set(c.i, 100-int(e.Position.Y)*100/c.reach())
}

// Dragged implements fyne.Draggable: the level goes with the finger.
func (c *mixColumn) Dragged(e *fyne.DragEvent) {
	if c.from == nil {
		c.from, c.went = c.page.mix.shares(), 0
	}
	c.went -= e.Dragged.DY
	c.page.drag(c.from, c.i, c.from[c.i]+int(c.went*100)/c.reach())
}

// DragEnd implements fyne.Draggable.
func (c *mixColumn) DragEnd() { c.from = nil }

// AdjustBy implements kiosk.Adjustable.
func (c *mixColumn) AdjustBy(steps int) {
	c.page.set(c.i, c.part().share+steps*beverage.MixStep)
}

// AccessibleID implements kiosk.Accessible, as do the next four.
func (c *mixColumn) AccessibleID() string   { return fmt.Sprintf("mix.level.%d", c.i) }
func (c *mixColumn) AccessibleRole() string { return sheet.RoleSlider }
func (c *mixColumn) AccessibleName() string {
	o := c.part().offer
	return o.Brand.Name + " " + drinkName(c.l.Words, o)
}

func (c *mixColumn) AccessibleValue() string {
	return c.l.Words.Number(float64(c.part().share), 0) + " %"
}
func (c *mixColumn) AccessibleEnabled() bool { return true }
