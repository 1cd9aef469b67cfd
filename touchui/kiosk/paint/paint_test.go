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

// both draws o by our painter, turned in each way and in both orders of bytes, and by Fyne's, and compares.
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
	seen := image.Pt(w, h)
	for rot := paint.Rotate0; rot <= paint.Rotate270; rot++ {
		for _, f := range []display.PixelFormat{display.RGBA8888, display.XRGB8888} {
			panel := rot.Size(seen)
			p := paint.New(paint.Config{Width: panel.X, Height: panel.Y, Scale: scale, Format: f, Rotation: rot})
			p.Frame(root)
			got := p.Seen()
			if _, n, worst := golden.Diff(got, want, tolerance); n > 0 {
				t.Errorf("turned by %d, %v: %d pixels differ from Fyne's painter, worst by %d", rot.Degrees(), f, n, worst)
			}
			if blank(got) {
				t.Errorf("turned by %d, %v: nothing was drawn", rot.Degrees(), f)
			}
			for _, q := range []image.Point{{X: 0, Y: 0}, {X: 25, Y: 31}, {X: w - 1, Y: 3}, {X: 70, Y: h / 2}} {
				on := rot.Point(q, seen)
				if p.Buffer().At(on.X, on.Y) != got.RGBAAt(q.X, q.Y) {
					t.Errorf("turned by %d: the panel's pixel %v is not the seen pixel %v", rot.Degrees(), on, q)
				}
			}
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
