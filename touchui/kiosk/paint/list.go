package paint

import (
	"image"
	"reflect"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
)

// collect makes the new display list in p.next.
func (p *Painter) collect(roots []fyne.CanvasObject) {
	p.next = p.next[:0]
	screen := Rect{0, 0, float32(p.size.X) / p.scale, float32(p.size.Y) / p.scale}
	w := walker{visit: p.visit, meet: p.meet}
	for _, root := range roots {
		if root != nil {
			w.walk(root, fyne.Position{}, screen, false)
		}
	}
}

// known is the renderer a widget had when it was last painted.
type known struct {
	r    fyne.WidgetRenderer
	seen uint64
}

// meet lays out a widget that has another renderer than when last painted. Fyne throws away the renderers of what was
// not painted for a minute and makes new ones on demand, but lays those out only when the widget's size changes: a page
// that comes back, or a tile that was scrolled out of sight, would stay empty.
func (p *Painter) meet(w fyne.Widget) {
	r := test.WidgetRenderer(w)
	if r == nil || !reflect.TypeOf(r).Comparable() {
		return
	}
	k := p.known[w]
	if k.r != r {
		if s := w.Size(); s.Width > 0 && s.Height > 0 {
			r.Layout(s)
		}
		k.r = r
	} else if k.seen == p.n {
		return
	}
	k.seen = p.n
	p.known[w] = k
}

func (p *Painter) visit(o fyne.CanvasObject, pos fyne.Position, clip Rect) bool {
	switch o.(type) {
	case *fyne.Container, fyne.Widget:
		return false
	}
	box := image.Rect(p.px(clip.X0), p.px(clip.Y0), p.px(clip.X1), p.px(clip.Y1)).Intersect(image.Rectangle{Max: p.size})
	if clip.Empty() || box.Empty() {
		return false
	}
	p.add(o, pos, box)
	return false
}

// add appends the item of one primitive, if it has visible pixels inside clip. Geometry follows Fyne's painter.
func (p *Painter) add(o fyne.CanvasObject, pos fyne.Position, clip image.Rectangle) {
	size := o.Size()
	switch t := o.(type) {
	case *canvas.Rectangle:
		p.addRectangle(t, pos, clip)
	case *canvas.Text:
		p.addText(t, pos, clip)
	case *canvas.Image:
		p.addImage(t, pos, clip)
	case *canvas.Raster:
		p.addRaster(t, pos, clip)
	case *canvas.LinearGradient:
		k := gradientKey{w: p.px(size.Width), h: p.px(size.Height), from: deep(t.StartColor), to: deep(t.EndColor), a: t.Angle}
		p.addGradient(t, k, pos, clip)
	case *canvas.RadialGradient:
		k := gradientKey{
			w: p.px(size.Width), h: p.px(size.Height), from: deep(t.StartColor), to: deep(t.EndColor),
			a: t.CenterOffsetX, b: t.CenterOffsetY, radial: true,
		}
		p.addGradient(t, k, pos, clip)
	case *canvas.Circle:
		k := shapeKey{kind: circle, w: size.Width, h: size.Height, fill: deep(t.FillColor)}
		k.setStroke(t.StrokeColor, t.StrokeWidth)
		p.addShape(t, k, strokePad(k, 1), pos, clip)
	case *canvas.Line:
		k := shapeKey{kind: line, w: size.Width, h: size.Height, stroke: deep(t.StrokeColor), width: t.StrokeWidth}
		q := t.Position()
		k.v = [5]float32{t.Position1.X - q.X, t.Position1.Y - q.Y, t.Position2.X - q.X, t.Position2.Y - q.Y}
		pad := float32(0)
		if t.StrokeWidth > 0 {
			pad = t.StrokeWidth + 2
		}
		p.addShape(t, k, pad, pos, clip)
	case *canvas.Polygon:
		k := shapeKey{kind: polygon, w: size.Width, h: size.Height, fill: deep(t.FillColor)}
		k.setStroke(t.StrokeColor, t.StrokeWidth)
		k.v = [5]float32{t.CornerRadius, t.Angle, float32(t.Sides)}
		p.addShape(t, k, strokePad(k, 0), pos, clip)
	case *canvas.Arc:
		k := shapeKey{kind: arc, w: size.Width, h: size.Height, fill: deep(t.FillColor)}
		k.setStroke(t.StrokeColor, t.StrokeWidth)
		k.v = [5]float32{t.StartAngle, t.EndAngle, t.CornerRadius, t.CutoutRatio}
		p.addShape(t, k, strokePad(k, 0), pos, clip)
	default:
		p.addUnknown(o, pos, clip)
	}
}

// put appends a texture whose primitive has its corner at corner, as seen. From here on all is in the panel's pixels.
func (p *Painter) put(o fyne.CanvasObject, t *texture, corner image.Point, clip image.Rectangle) {
	if t == nil || t.empty() {
		return
	}
	at := p.rot.Rect(image.Rectangle{Min: corner, Max: corner.Add(t.full)}, p.size).Min.Add(t.off)
	a := image.Rectangle{Min: at, Max: at.Add(t.size)}.Intersect(p.rot.Rect(clip, p.size))
	if !a.Empty() {
		p.next = append(p.next, item{obj: o, at: at, area: a, tex: t})
	}
}

// outside reports whether w × h pixels at corner cannot be seen, so that nothing need be rasterised for them.
func outside(corner image.Point, w, h int, clip image.Rectangle) bool {
	return image.Rectangle{Min: corner, Max: corner.Add(image.Pt(w, h))}.Intersect(clip).Empty()
}

func (p *Painter) addRectangle(t *canvas.Rectangle, pos fyne.Position, clip image.Rectangle) {
	w, h := t.Size().Components()
	if t.Aspect != 0 && h != 0 {
		if a := w / h; a > t.Aspect {
			pos.X += (w - h*t.Aspect) / 2
			w = h * t.Aspect
		} else if a < t.Aspect {
			pos.Y += (h - w/t.Aspect) / 2
			h = w / t.Aspect
		}
	}
	k := shapeKey{kind: rectangle, w: w, h: h, fill: deep(t.FillColor)}
	k.setStroke(t.StrokeColor, t.StrokeWidth)
	k.v = [5]float32{t.CornerRadius, t.TopLeftCornerRadius, t.TopRightCornerRadius, t.BottomLeftCornerRadius, t.BottomRightCornerRadius}
	if k.width == 0 && k.v == [5]float32{} {
		x, y := p.px(pos.X), p.px(pos.Y)
		a := image.Rect(x, y, x+p.px(w), y+p.px(h)).Intersect(clip)
		if c := p.pixel(t.FillColor); c[3] != 0 && !a.Empty() {
			p.next = append(p.next, item{obj: t, area: p.rot.Rect(a, p.size), fill: c})
		}
		return
	}
	p.addShape(t, k, strokePad(k, 0), pos, clip)
}

func (p *Painter) addShape(o fyne.CanvasObject, k shapeKey, pad float32, pos fyne.Position, clip image.Rectangle) {
	if k.fill.a == 0 && (k.stroke.a == 0 || (k.width == 0 && k.kind != line)) {
		return
	}
	corner := image.Pt(p.px(pos.X-pad), p.px(pos.Y-pad))
	w, h := p.px(k.w+2*pad), p.px(k.h+2*pad)
	if outside(corner, w, h, clip) {
		return
	}
	t := p.shapes[k]
	if t == nil {
		t = p.texture(p.ras.shape(o, k, pad, w, h, p.scale), true)
		p.keep(t, func() { delete(p.shapes, k) })
		p.shapes[k] = t
	}
	p.lru.use(t, p.n)
	p.put(o, t, corner, clip)
}

func (p *Painter) addText(t *canvas.Text, pos fyne.Position, clip image.Rectangle) {
	if t.Text == "" {
		return
	}
	size, least := t.Size(), t.MinSize()
	switch t.Alignment {
	case fyne.TextAlignTrailing:
		pos.X += size.Width - least.Width
	case fyne.TextAlignCenter:
		pos.X += (size.Width - least.Width) / 2
	}
	if size.Height > least.Height {
		pos.Y += (size.Height - least.Height) / 2
	}
	pad := float32(0)
	if t.TextStyle.Italic {
		pad = t.TextSize / 5 // a leaning letter is wider than its advance
	}
	corner := image.Pt(p.px(pos.X), p.px(pos.Y))
	w, h := p.px(least.Width+pad), p.px(least.Height)
	if outside(corner, w, h, clip) {
		return
	}
	c := t.Color
	if c == nil {
		c = theme.Color(theme.ColorNameForeground)
	}
	k := textKey{text: t.Text, size: t.TextSize, style: t.TextStyle, font: t.FontSource, color: deep(c)}
	tex := p.texts[k]
	if tex == nil {
		tex = p.texture(p.ras.text(t, w, h, p.scale), true)
		p.keep(tex, func() { delete(p.texts, k) })
		p.texts[k] = tex
	}
	p.lru.use(tex, p.n)
	p.put(t, tex, corner, clip)
}

// gradient is what both gradients of Fyne can do.
type gradient interface {
	fyne.CanvasObject
	Generate(w, h int) image.Image
}

func (p *Painter) addGradient(g gradient, k gradientKey, pos fyne.Position, clip image.Rectangle) {
	corner := image.Pt(p.px(pos.X), p.px(pos.Y))
	if k.w <= 0 || k.h <= 0 || outside(corner, k.w, k.h, clip) {
		return
	}
	t := p.grads[k]
	if t == nil {
		t = p.texture(toRGBA(g.Generate(k.w, k.h)), true)
		p.keep(t, func() { delete(p.grads, k) })
		p.grads[k] = t
	}
	p.lru.use(t, p.n)
	p.put(g, t, corner, clip)
}

// keep enters a new texture into the order of use.
func (p *Painter) keep(t *texture, drop func()) {
	p.stats.Misses++
	t.drop = drop
	p.lru.add(t)
}
