package paint_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

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
	all           []primitive
	n             int
}

func newScene(w, h float32, rng *rand.Rand) *scene {
	s := &scene{rng: rng, all: primitives()}
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
	switch s.rng.IntN(18) {
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
	case 8, 13, 14: // one more of anything, anywhere, below some and above others
		if len(s.seq.Objects) > 30 {
			s.seq.Objects = nil
		}
		s.seq.Objects = slices.Insert(slices.Clone(s.seq.Objects), s.rng.IntN(len(s.seq.Objects)+1), s.any())
	case 9:
		if n := len(s.seq.Objects); n > 0 {
			i := s.rng.IntN(n)
			s.seq.Objects = slices.Delete(slices.Clone(s.seq.Objects), i, i+1)
		}
	case 10:
		s.rng.Shuffle(len(s.seq.Objects), func(i, j int) { s.seq.Objects[i], s.seq.Objects[j] = s.seq.Objects[j], s.seq.Objects[i] })
	case 11:
		s.poster.ScrollToOffset(fyne.NewPos(s.rng.Float32()*200, 0))
	case 12: // nothing
	case 15, 16: // something moves, grows, hides
		if n := len(s.seq.Objects); n > 0 {
			o := s.seq.Objects[s.rng.IntN(n)]
			switch s.rng.IntN(4) {
			case 0:
				o.Resize(fyne.NewSize(s.rng.Float32()*200, s.rng.Float32()*150))
				p.Refresh(o)
			case 1:
				o.Hide()
			default:
				o.Move(o.Position().AddXY(s.rng.Float32()*40-20, s.rng.Float32()*40-20))
			}
		}
	case 17: // another theme: every texture is dropped
		if s.rng.IntN(8) == 0 {
			p.SetBackground(color.NRGBA{R: byte(s.n), G: 40, B: 90, A: 255})
			p.DropTextures()
		}
	}
}

// any is one of Fyne's primitives, or an object that hides everything below it, somewhere.
func (s *scene) any() fyne.CanvasObject {
	x, y := s.rng.Float32()*s.root.Size().Width-40, s.rng.Float32()*s.root.Size().Height-40
	if s.rng.IntN(5) == 0 {
		r := canvas.NewRectangle(color.NRGBA{R: byte(s.n * 7), G: byte(s.n), B: 60, A: 255})
		if s.rng.IntN(2) == 0 {
			r.CornerRadius = s.rng.Float32() * 40
		}
		return at(r, x, y, 60+s.rng.Float32()*200, 60+s.rng.Float32()*200)
	}
	o := s.all[s.rng.IntN(len(s.all))].o // perhaps one that is shown already, which is then there twice
	o.Show()
	o.Move(fyne.NewPos(x, y))
	if s.rng.IntN(3) > 0 {
		return o
	}
	c := container.NewScroll(container.NewWithoutLayout(o)) // cut off by a scroller
	o.Move(fyne.NewPos(s.rng.Float32()*20-10, s.rng.Float32()*20-10))
	return at(c, x, y, 50+s.rng.Float32()*60, 40+s.rng.Float32()*40)
}

// Repainting what changed must give the same bytes as repainting everything, and what is outside of the damage must not
// have changed.
func TestIncrementalEqualsFull(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(theme.DefaultTheme())
	frames := 60
	if os.Getenv("FOUNTAIN_LONG") != "" {
		frames = 1300 // of each of eight: more than 10,000
	}
	for i := range 8 {
		rot := paint.Rotation(i % 4)
		cfg := paint.Config{Rotation: rot, Format: display.PixelFormat(i / 4), Scale: []float32{1, 1.5, 1, 1.25, 2, 1, 1, .8}[i], CacheBytes: []int{0, 0, 20_000, 0, 0, 0, 0, 20_000}[i]}
		t.Run(fmt.Sprint(rot.Degrees(), " degrees x", cfg.Scale, " ", cfg.Format, " ", cfg.CacheBytes), func(t *testing.T) {
			seed := uint64(100 + i)
			rng := rand.New(rand.NewPCG(7, seed))
			w, h := int(300*cfg.Scale), int(420*cfg.Scale)
			panel := rot.Size(image.Pt(w, h))
			cfg.Width, cfg.Height = panel.X, panel.Y
			s := newScene(300, 420, rng)
			inc := paint.New(cfg)
			cfg.CacheBytes = 0
			full := paint.New(cfg)
			before := make([]byte, len(inc.Buffer().Pix))
			changed, pixels := 0, 0
			for n := range frames {
				s.step(inc)
				full.SetBackground(inc.Background())
				copy(before, inc.Buffer().Pix)
				dirty := inc.Frame(s.root, s.overlay)
				pixels += inc.Stats().Pixels
				full.Refresh(s.root)
				full.Invalidate(full.Buffer().Bounds())
				full.Frame(s.root, s.overlay)
				if !bytes.Equal(inc.Buffer().Pix, full.Buffer().Pix) {
					t.Fatalf("seed %d: frame %d differs from a full repaint", seed, n)
				}
				if !bytes.Equal(before, inc.Buffer().Pix) {
					changed++
				}
				if !covers(dirty, before, inc.Buffer()) {
					t.Fatalf("seed %d: frame %d: a pixel changed outside of the damage", seed, n)
				}
			}
			if changed < frames/2 {
				t.Errorf("only %d of %d frames changed anything; the scene tests nothing", changed, frames)
			}
			if share := float64(pixels) / float64(frames*w*h); share > 0.6 {
				t.Errorf("repainted %.0f %% of all pixels; the difference finds nothing", share*100)
			}
		})
	}
}

// covers reports whether f is as before outside of the rectangles; it changes before.
func covers(dirty []image.Rectangle, before []byte, f *display.Frame) bool {
	old := display.Frame{Pix: before, Stride: f.Stride, Size: f.Size, Format: f.Format}
	f.CopyTo(&old, dirty)
	return bytes.Equal(before, f.Pix)
}

// A wall of composed tiles scrolls, is pressed and rests without allocating.
func TestFramesAllocateNothing(t *testing.T) {
	test.NewTempApp(t)
	w := composedWall(400, 600, asIs)
	p := paint.New(paint.Config{Width: 400, Height: 600, Format: display.XRGB8888})
	y := 0
	step := func() {
		y = (y + 7) % 900
		w.scroll(float32(y))
		p.Frame(w.root)
	}
	for range 300 {
		step()
	}
	before := p.Stats()
	if n := testing.AllocsPerRun(500, step); n > 0 {
		t.Errorf("%v allocations a frame", n)
	}
	if s := p.Stats(); s.Pixels == 0 || s.Items == 0 || before.Misses+s.Misses > 0 {
		t.Errorf("nothing was painted, or textures were made again: %+v", s)
	}
}
