package paint_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/driver/software"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"fountain/internal/golden"
	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

const tolerance = 2 // of 255 a channel: our blending rounds once, Fyne's several times

// picture is a deterministic image with gradients, hard edges and holes.
func picture(w, h int, variant int) *image.NRGBA {
	im := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{R: byte(x * 255 / w), G: byte(y * 255 / h), B: byte(variant * 60), A: 255}
			switch d := (x-w/2)*(x-w/2) + (y-h/2)*(y-h/2); {
			case d < w*w/25:
				c.A = 0
			case d < w*w/16:
				c.A = 128
			}
			im.SetNRGBA(x, y, c)
		}
	}
	return im
}

func opaque(src image.Image) *image.RGBA {
	b := src.Bounds()
	out := image.NewRGBA(b)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(src.At(x, y)).(color.NRGBA)
			c.A = 255
			out.Set(x, y, c)
		}
	}
	return out
}

func at(o fyne.CanvasObject, x, y, w, h float32) fyne.CanvasObject {
	o.Move(fyne.NewPos(x, y))
	o.Resize(fyne.NewSize(w, h))
	return o
}

// both draws o by our painter and by Fyne's and compares.
func both(t *testing.T, o fyne.CanvasObject, w, h int, scale float32) {
	t.Helper()
	size := fyne.NewSize(float32(w)/scale, float32(h)/scale)
	root := container.NewWithoutLayout(canvas.NewRectangle(theme.Color(theme.ColorNameBackground)), o)
	root.Objects[0].Resize(size)
	root.Resize(size)

	c := software.NewCanvas()
	c.SetPadded(false)
	c.SetScale(scale)
	c.SetContent(root)
	c.Resize(size)
	want := c.Capture()
	for _, f := range []display.PixelFormat{display.RGBA8888, display.XRGB8888} {
		p := paint.New(paint.Config{Width: w, Height: h, Scale: scale, Format: f})
		p.Frame(root)
		got := p.Buffer().Image(p.Buffer().Bounds())
		if _, n, worst := golden.Diff(got, want, tolerance); n > 0 {
			t.Errorf("%v: %d pixels differ from Fyne's painter, worst by %d", f, n, worst)
		}
		if blank(got) {
			t.Errorf("%v: nothing was drawn", f)
		}
	}
}

func blank(im *image.RGBA) bool {
	for i := 4; i < len(im.Pix); i += 4 {
		if !bytes.Equal(im.Pix[i:i+4], im.Pix[:4]) {
			return false
		}
	}
	return true
}

func TestEveryPrimitiveLooksLikeFyne(t *testing.T) {
	test.NewTempApp(t)
	red, glass := color.NRGBA{R: 220, G: 40, B: 50, A: 255}, color.NRGBA{R: 20, G: 160, B: 220, A: 120}
	rect := func(f func(*canvas.Rectangle)) fyne.CanvasObject {
		r := canvas.NewRectangle(red)
		f(r)
		return at(r, 20, 15, 150, 90)
	}
	text := func(s string, f func(*canvas.Text)) fyne.CanvasObject {
		x := canvas.NewText(s, red)
		x.TextSize = 31
		f(x)
		return at(x, 10, 20, 180, 70)
	}
	img := func(im image.Image, f func(*canvas.Image)) fyne.CanvasObject {
		i := canvas.NewImageFromImage(im)
		f(i)
		return at(i, 12, 9, 150, 100)
	}
	line := func(x0, y0, x1, y1, width float32) fyne.CanvasObject {
		l := canvas.NewLine(red)
		l.Position1, l.Position2, l.StrokeWidth = fyne.NewPos(x0, y0), fyne.NewPos(x1, y1), width
		return l
	}
	cases := []struct {
		name string
		o    fyne.CanvasObject
	}{
		{"rectangle", rect(func(*canvas.Rectangle) {})},
		{"rectangle translucent", rect(func(r *canvas.Rectangle) { r.FillColor = glass })},
		{"rectangle rounded", rect(func(r *canvas.Rectangle) { r.CornerRadius = 28 })},
		{"rectangle rounded translucent", rect(func(r *canvas.Rectangle) { r.CornerRadius = 28; r.FillColor = glass })},
		{"rectangle pill", rect(func(r *canvas.Rectangle) { r.CornerRadius = canvas.RadiusMaximum })},
		{"rectangle corners", rect(func(r *canvas.Rectangle) { r.TopLeftCornerRadius, r.BottomRightCornerRadius = 30, 12 })},
		{"rectangle stroke", rect(func(r *canvas.Rectangle) { r.StrokeColor, r.StrokeWidth = glass, 5 })},
		{"rectangle stroke only rounded", rect(func(r *canvas.Rectangle) { r.FillColor, r.StrokeColor, r.StrokeWidth, r.CornerRadius = nil, red, 3, 20 })},
		{"rectangle aspect", rect(func(r *canvas.Rectangle) { r.Aspect, r.CornerRadius = 1, 9 })},
		{"rectangle aspect plain", rect(func(r *canvas.Rectangle) { r.Aspect = 2.5 })},
		{"circle", at(canvas.NewCircle(red), 30, 10, 100, 100)},
		{"circle stroke", at(&canvas.Circle{FillColor: glass, StrokeColor: red, StrokeWidth: 6}, 30, 10, 90, 100)},
		{"line", line(10, 15, 180, 95, 4)},
		{"line up", line(180, 15, 10, 95, 2)},
		{"line hair", line(20, 40, 180, 40, 1)},
		{"line upright", line(40, 10, 40, 100, 3)},
		{"polygon", at(canvas.NewPolygon(6, red), 30, 10, 100, 90)},
		{"polygon round stroke", at(&canvas.Polygon{Sides: 5, FillColor: glass, StrokeColor: red, StrokeWidth: 4, CornerRadius: 9, Angle: 20}, 30, 10, 100, 90)},
		{"arc", at(canvas.NewArc(-80, 95, 0.4, red), 30, 10, 100, 100)},
		{"arc stroke", at(&canvas.Arc{StartAngle: 20, EndAngle: 300, CutoutRatio: .6, CornerRadius: 5, FillColor: glass, StrokeColor: red, StrokeWidth: 3}, 30, 10, 100, 100)},
		{"linear gradient", at(canvas.NewLinearGradient(red, glass, 45), 11, 13, 150, 80)},
		{"vertical gradient", at(canvas.NewVerticalGradient(red, color.Transparent), 11, 13, 150, 80)},
		{"radial gradient", at(&canvas.RadialGradient{StartColor: red, EndColor: glass, CenterOffsetX: .2, CenterOffsetY: -.1}, 11, 13, 150, 80)},
		{"image exact", img(picture(150, 100, 1), func(*canvas.Image) {})},
		{"image exact opaque", img(opaque(picture(150, 100, 1)), func(*canvas.Image) {})},
		{"image smooth down", img(picture(400, 300, 2), func(*canvas.Image) {})},
		{"image smooth up", img(picture(40, 30, 2), func(*canvas.Image) {})},
		{"image pixels", img(picture(40, 30, 2), func(i *canvas.Image) { i.ScaleMode = canvas.ImageScalePixels })},
		{"image fastest", img(picture(40, 30, 2), func(i *canvas.Image) { i.ScaleMode = canvas.ImageScaleFastest })},
		{"image contain", img(picture(100, 100, 3), func(i *canvas.Image) { i.FillMode = canvas.ImageFillContain })},
		{"image cover", img(picture(100, 100, 3), func(i *canvas.Image) { i.FillMode = canvas.ImageFillCover })},
		{"image faded", img(picture(150, 100, 3), func(i *canvas.Image) { i.Translucency = .4 })},
		{"image rounded", img(opaque(picture(150, 100, 3)), func(i *canvas.Image) { i.CornerRadius = 24 })},
		{"raster", at(canvas.NewRaster(func(w, h int) image.Image { return picture(w, h, 4) }), 9, 8, 130, 90)},
		{"raster scaled", at(canvas.NewRaster(func(w, h int) image.Image { return opaque(picture(60, 40, 4)) }), 9, 8, 130, 90)},
		{"text", text("Ginger 250 ml", func(*canvas.Text) {})},
		{"text centre bold", text("Ginger", func(x *canvas.Text) { x.Alignment = fyne.TextAlignCenter; x.TextStyle.Bold = true })},
		{"text trailing italic", text("Quince fjord", func(x *canvas.Text) { x.Alignment = fyne.TextAlignTrailing; x.TextStyle.Italic = true })},
		{"text font source", text("Source 42", func(x *canvas.Text) { x.FontSource = theme.DefaultTextMonospaceFont() })},
		{"text theme colour", text("Theme", func(x *canvas.Text) { x.Color = nil })},
		{"text translucent", text("Glass Ä", func(x *canvas.Text) { x.Color = glass })},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { both(t, c.o, 200, 120, 1) })
	}
	for _, c := range cases {
		t.Run("scale 1.5 "+c.name, func(t *testing.T) { both(t, c.o, 300, 180, 1.5) })
	}
}

func TestWidgetsLookLikeFyne(t *testing.T) {
	test.NewTempApp(t)
	list := container.NewVBox()
	for i := range 30 {
		list.Add(widget.NewButton(fmt.Sprint("Button ", i), nil))
	}
	grid := container.NewGridWithColumns(2,
		widget.NewLabel("Label\nof two lines"), widget.NewCheck("Check", nil), widget.NewSlider(0, 10),
		widget.NewProgressBar(), widget.NewEntry(), widget.NewCard("Card", "sub", widget.NewIcon(theme.HomeIcon())),
	)
	both(t, at(container.NewBorder(grid, nil, nil, nil, container.NewVScroll(list)), 0, 0, 480, 640), 480, 640, 1)
}

// scene is a page with everything that moves: scrolled tiles, level, text, overlay, raster.
type scene struct {
	root, overlay *fyne.Container
	scroll        *container.Scroll
	level         *canvas.Rectangle
	live          *canvas.Text
	raster        *canvas.Raster
	image         *canvas.Image
	tint          byte
	seq           *fyne.Container
	poster        *container.Scroll // a picture larger than its window: the visible part stays, what it shows moves
	rng           *rand.Rand
	n             int
}

func newScene(w, h float32, rng *rand.Rand) *scene {
	s := &scene{rng: rng}
	tiles := container.NewGridWithColumns(3)
	for i := range 24 {
		bg := canvas.NewRectangle(color.NRGBA{R: byte(i * 10), G: 120, B: 200 - byte(i*5), A: 255})
		bg.CornerRadius = 14
		bg.SetMinSize(fyne.NewSize(60, 70))
		pic := canvas.NewImageFromImage(picture(40, 40, i%4))
		pic.FillMode = canvas.ImageFillContain
		name := canvas.NewText(fmt.Sprint("Brand ", i), color.White)
		name.Alignment = fyne.TextAlignCenter
		tiles.Add(container.NewStack(bg, pic, container.NewVBox(name)))
	}
	s.scroll = container.NewVScroll(tiles)
	s.level = canvas.NewRectangle(color.NRGBA{R: 20, G: 90, B: 180, A: 140})
	s.live = canvas.NewText("0 ml", color.Black)
	s.live.TextSize = 40
	s.raster = canvas.NewRaster(func(w, h int) image.Image {
		im := image.NewRGBA(image.Rect(0, 0, w, h))
		for i := 0; i < len(im.Pix); i += 4 {
			im.Pix[i], im.Pix[i+3] = s.tint, 255
		}
		return im
	})
	s.image = canvas.NewImageFromImage(opaque(picture(50, 50, 1)))
	s.seq = container.NewWithoutLayout()
	wide := canvas.NewImageFromImage(opaque(picture(300, 90, 2)))
	wide.SetMinSize(fyne.NewSize(300, 90))
	s.poster = container.NewHScroll(wide)
	s.root = container.NewWithoutLayout(
		at(canvas.NewRectangle(color.NRGBA{R: 237, G: 241, B: 240, A: 255}), 0, 0, w, h),
		at(s.scroll, 10, 40, w-20, h-140), at(s.level, 0, h-80, w, 60), at(s.live, 10, h-90, 0, 0),
		at(s.raster, w-60, h-60, 50, 50), at(s.image, w-120, h-60, 50, 50),
		at(s.poster, w-260, h-95, 100, 90), s.seq,
	)
	s.overlay = container.NewWithoutLayout(
		at(canvas.NewRectangle(color.NRGBA{A: 150}), 0, 0, w, h), at(canvas.NewText("Sold out", color.White), 60, 60, 0, 0),
	)
	s.overlay.Hide()
	return s
}

// step changes the scene at random, as screens do.
func (s *scene) step(p *paint.Painter) {
	s.n++
	switch s.rng.IntN(13) {
	case 0, 1, 2:
		s.scroll.ScrollToOffset(fyne.NewPos(0, s.rng.Float32()*float32(300)))
	case 3:
		s.level.Resize(fyne.NewSize(s.level.Size().Width, s.rng.Float32()*200))
	case 4:
		s.live.Text = fmt.Sprint(s.rng.IntN(600), " ml")
	case 5:
		s.tint = byte(s.rng.IntN(256))
		p.Refresh(s.raster)
	case 6:
		im := s.image.Image.(*image.RGBA)
		for range 40 {
			im.SetRGBA(s.rng.IntN(50), s.rng.IntN(50), color.RGBA{byte(s.n), 0, 0, 255})
		}
		p.Refresh(s.image)
	case 7:
		s.overlay.Hidden = !s.overlay.Hidden
	case 8:
		c := canvas.NewCircle(color.NRGBA{R: byte(s.n * 7), A: byte(60 + s.rng.IntN(195))})
		i := s.rng.IntN(len(s.seq.Objects) + 1)
		o := append([]fyne.CanvasObject{}, s.seq.Objects[:i]...)
		o = append(append(o, at(c, s.rng.Float32()*300, s.rng.Float32()*400, 40, 40)), s.seq.Objects[i:]...)
		s.seq.Objects = o
	case 9:
		if n := len(s.seq.Objects); n > 0 {
			i := s.rng.IntN(n)
			s.seq.Objects = append(append([]fyne.CanvasObject{}, s.seq.Objects[:i]...), s.seq.Objects[i+1:]...)
		}
	case 10:
		s.rng.Shuffle(len(s.seq.Objects), func(i, j int) { s.seq.Objects[i], s.seq.Objects[j] = s.seq.Objects[j], s.seq.Objects[i] })
	case 11:
		s.poster.ScrollToOffset(fyne.NewPos(s.rng.Float32()*200, 0))
	case 12: // nothing
	}
}

// Repainting what changed must give the same bytes as repainting everything, and what is outside of the damage must not
// have changed.
func TestIncrementalEqualsFull(t *testing.T) {
	test.NewTempApp(t)
	for _, c := range []struct {
		name   string
		w, h   int
		format display.PixelFormat
		cache  int
		frames int
	}{
		{"rgba", 400, 600, display.RGBA8888, 0, 200},
		{"bgrx, tiny cache", 400, 600, display.XRGB8888, 20_000, 120},
	} {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(7, uint64(c.w)))
			s := newScene(float32(c.w), float32(c.h), rng)
			inc := paint.New(paint.Config{Width: c.w, Height: c.h, Format: c.format, CacheBytes: c.cache})
			full := paint.New(paint.Config{Width: c.w, Height: c.h, Format: c.format})
			before := make([]byte, len(inc.Buffer().Pix))
			changed, pixels := 0, 0
			for n := range c.frames {
				s.step(inc)
				copy(before, inc.Buffer().Pix)
				dirty := inc.Frame(s.root, s.overlay)
				pixels += inc.Stats().Pixels
				full.Refresh(s.root)
				full.Invalidate(full.Buffer().Bounds())
				full.Frame(s.root, s.overlay)
				if !bytes.Equal(inc.Buffer().Pix, full.Buffer().Pix) {
					t.Fatalf("frame %d differs from a full repaint", n)
				}
				if !bytes.Equal(before, inc.Buffer().Pix) {
					changed++
				}
				if x, y, ok := outsideChanged(before, inc.Buffer(), dirty); ok {
					t.Fatalf("frame %d: pixel %d,%d changed outside of the damage", n, x, y)
				}
			}
			if changed < c.frames/2 {
				t.Errorf("only %d of %d frames changed anything; the scene tests nothing", changed, c.frames)
			}
			if share := float64(pixels) / float64(c.frames*c.w*c.h); share > 0.6 {
				t.Errorf("repainted %.0f %% of all pixels; the difference finds nothing", share*100)
			}
		})
	}
}

func outsideChanged(before []byte, f *display.Frame, dirty []image.Rectangle) (x, y int, changed bool) {
	for y := range f.Size.Y {
		for x := range f.Size.X {
			o := y*f.Stride + x*4
			if bytes.Equal(before[o:o+4], f.Pix[o:o+4]) {
				continue
			}
			inside := false
			for _, r := range dirty {
				inside = inside || image.Pt(x, y).In(r)
			}
			if !inside {
				return x, y, true
			}
		}
	}
	return 0, 0, false
}
