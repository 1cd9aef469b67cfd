package assets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

func noise(w, h int, seed uint64) *image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 1))
	im := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			im.SetRGBA(x, y, color.RGBA{byte(rng.Uint32()), byte(rng.Uint32()), byte(y), 255})
		}
	}
	return im
}

var testMeta = Meta{Width: 1080, Height: 1920, Look: "light en 1", Catalogue: "sha256:1"}

// pictures are of different sizes, so that each begins on a page of its own.
func pictures(n int) (keys []string, draw func(context.Context, string) (*image.RGBA, error)) {
	for i := range n {
		keys = append(keys, fmt.Sprint("tile/", i))
	}
	return keys, func(_ context.Context, key string) (*image.RGBA, error) {
		var i int
		if _, err := fmt.Sscanf(key, "tile/%d", &i); err != nil {
			return nil, err
		}
		return noise(30+i, 41+3*i, uint64(i)), nil
	}
}

func packOf(t *testing.T, meta Meta, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.pack")
	keys, draw := pictures(n)
	if err := Build(t.Context(), path, meta, keys, draw); err != nil {
		t.Fatal(err)
	}
	return path
}

// A painter shows a mapped picture exactly as the one that was composed, however the panel is mounted.
func TestPackShowsWhatWasComposed(t *testing.T) {
	for _, rot := range []paint.Rotation{paint.Rotate0, paint.Rotate90, paint.Rotate180, paint.Rotate270} {
		for _, format := range []display.PixelFormat{display.RGBA8888, display.XRGB8888} {
			t.Run(fmt.Sprint(rot.Degrees(), format), func(t *testing.T) {
				meta := testMeta
				meta.Rotation, meta.Format = rot, format
				p, err := Open(packOf(t, meta, 9), meta)
				if err != nil {
					t.Fatal(err)
				}
				keys, draw := pictures(9)
				if p.Len() != len(keys) || p.Meta() != meta {
					t.Errorf("%d pictures for %+v", p.Len(), p.Meta())
				}
				for _, k := range keys {
					im, _ := draw(t.Context(), k)
					b, err := p.Picture(k)
					if err != nil {
						t.Fatal(err)
					}
					if again, _ := p.Picture(k); again != b {
						t.Error("another picture for the same key")
					}
					size := rot.Size(image.Pt(100, 120))
					var frames [2][]byte
					for i, src := range []image.Image{im, b} {
						c := canvas.NewImageFromImage(src)
						c.Move(fyne.NewPos(7, 11))
						c.Resize(fyne.NewSize(float32(im.Rect.Dx()), float32(im.Rect.Dy())))
						pt := paint.New(paint.Config{Width: size.X, Height: size.Y, Rotation: rot, Format: format})
						pt.Frame(&fyne.Container{Objects: []fyne.CanvasObject{c}})
						frames[i] = pt.Buffer().Pix
						if got := pt.Seen().RGBAAt(7+3, 11+5); got != im.RGBAAt(3, 5) {
							t.Errorf("%s: pixel 3,5 is %v, composed was %v", k, got, im.RGBAAt(3, 5))
						}
					}
					if !bytes.Equal(frames[0], frames[1]) {
						t.Errorf("%s looks different", k)
					}
				}
			})
		}
	}
}

func TestForeignPacksAreRefused(t *testing.T) {
	path := packOf(t, testMeta, 2)
	for what, change := range map[string]func(*Meta){
		"screen":         func(m *Meta) { m.Width, m.Height = 800, 480 },
		"rotation":       func(m *Meta) { m.Rotation = paint.Rotate90 },
		"order of bytes": func(m *Meta) { m.Format = display.XRGB8888 },
		"look":           func(m *Meta) { m.Look = "dark" },
		"catalogue":      func(m *Meta) { m.Catalogue = "sha256:2" },
	} {
		want := testMeta
		change(&want)
		if _, err := Open(path, want); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), what) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), testMeta); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Open(t.TempDir(), testMeta); err == nil {
		t.Error("opened a directory")
	}
	p, err := Open(path, testMeta)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Picture("tile/99"); !errors.Is(err, ErrMissing) {
		t.Errorf("a picture that is not there: %v", err)
	}
}

// Any flipped bit and any lost end is noticed: at once, or when the picture that it hit is asked for. No other picture
// suffers, and none is ever shown wrong.
func TestDamageIsNoticed(t *testing.T) {
	good, err := os.ReadFile(packOf(t, testMeta, 4))
	if err != nil {
		t.Fatal(err)
	}
	h, err := decodeHeader(good)
	if err != nil {
		t.Fatal(err)
	}
	x, err := decodeIndex(good[h.IndexAt:], h.IndexAt)
	if err != nil {
		t.Fatal(err)
	}
	keys, draw := pictures(4)
	path := filepath.Join(t.TempDir(), "bad.pack")
	rng := rand.New(rand.NewPCG(5, 5))
	refused, bad, unused := 0, 0, 0
	try := func(b []byte, where int) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := Open(path, testMeta)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
				t.Errorf("byte %d: %v", where, err)
			}
			refused++
			return
		}
		hit := 0
		for i, k := range keys {
			e := x.entries[i]
			mine := uint64(where) >= e.at && uint64(where) < e.at+e.bytes()
			pic, err := p.Picture(k)
			if (err != nil) != mine || mine && !errors.Is(err, ErrDamaged) {
				t.Errorf("byte %d, picture %d at %d: %v", where, i, e.at, err)
			}
			if err != nil {
				hit++
				continue
			}
			im, _ := draw(t.Context(), k)
			if !bytes.Equal(pic.Pix, im.Pix) {
				t.Errorf("byte %d: picture %d is wrong and nobody says so", where, i)
			}
		}
		if bad += hit; hit == 0 {
			unused++
		}
	}
	for where := range headerSize {
		b := bytes.Clone(good)
		b[where] ^= 1 << rng.IntN(8)
		try(b, where)
	}
	if refused != headerSize {
		t.Errorf("%d of %d damaged headers were refused", refused, headerSize)
	}
	for range 300 {
		b, where := bytes.Clone(good), rng.IntN(len(good))
		b[where] ^= 1 << rng.IntN(8)
		try(b, where)
	}
	for range 30 {
		n := rng.IntN(len(good))
		before := refused
		try(good[:n], n)
		if refused == before {
			t.Errorf("opened a file that ends after %d of %d bytes", n, len(good))
		}
	}
	if bad == 0 || unused == 0 {
		t.Errorf("%d refused, %d pictures bad, %d between pictures: the damage tests nothing", refused, bad, unused)
	}
}

// A build that fails or is told to stop leaves the old pack and nothing else.
func TestBuildIsAtomic(t *testing.T) {
	path := packOf(t, testMeta, 3)
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	keys, draw := pictures(3)
	ctx, cancel := context.WithCancel(t.Context())
	holes := image.NewRGBA(image.Rect(0, 0, 4, 4))
	meta := testMeta
	meta.Catalogue = "sha256:2"
	for what, f := range map[string]func(context.Context, string) (*image.RGBA, error){
		"an error":     func(context.Context, string) (*image.RGBA, error) { return nil, errors.New("out of paint") },
		"transparency": func(context.Context, string) (*image.RGBA, error) { return holes, nil },
		"a stop": func(ctx context.Context, k string) (*image.RGBA, error) {
			cancel()
			return draw(ctx, k)
		},
	} {
		if err := Build(ctx, path, meta, keys, f); err == nil {
			t.Errorf("built in spite of %s", what)
		}
	}
	if err := Build(t.Context(), path, Meta{}, keys, draw); err == nil {
		t.Error("built for no screen")
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, old) {
		t.Errorf("the old pack changed: %v", err)
	}
	if l, _ := os.ReadDir(filepath.Dir(path)); len(l) != 1 {
		t.Errorf("files left over: %v", l)
	}
	if err := Build(t.Context(), path, meta, keys, draw); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, meta); err != nil {
		t.Error(err)
	}
}

// A pack that is shown survives its own replacement, and its pages are given back when the painter drops a picture.
func TestReplacedWhileShown(t *testing.T) {
	path := packOf(t, testMeta, 6)
	p, err := Open(path, testMeta)
	if err != nil {
		t.Fatal(err)
	}
	keys, draw := pictures(6)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, k := range keys {
				if _, err := p.Picture(k); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	next := testMeta
	next.Look = "dark"
	if err := Build(t.Context(), path, next, keys[:1], draw); err != nil {
		t.Fatal(err)
	}
	pt := paint.New(paint.Config{Width: 200, Height: 200, CacheBytes: 1})
	for _, k := range keys {
		b, err := p.Picture(k)
		if err != nil {
			t.Fatal(err)
		}
		unused := 0
		was := b.Unused
		b.Unused = func() { unused++; was() }
		c := canvas.NewImageFromImage(b)
		c.Resize(fyne.NewSize(float32(b.Size.X), float32(b.Size.Y)))
		pt.Frame(c)
		im, _ := draw(t.Context(), k)
		if got := pt.Seen().RGBAAt(5, 6); got != im.RGBAAt(5, 6) {
			t.Errorf("%s shows %v", k, got)
		}
		if unused > 0 {
			t.Errorf("%s was given back while it was shown", k)
		}
		pt.Frame()
		pt.Frame()
		if unused == 0 {
			t.Errorf("%s was not given back", k)
		}
		if !bytes.Equal(b.Pix, im.Pix) {
			t.Errorf("%s does not come back", k)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(header{FileSize: 5000, IndexAt: 4096, IndexSize: 904, IndexSum: 7}.encode())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeader(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrForeign) {
				t.Error(err)
			}
			return
		}
		again, err := decodeHeader(h.encode())
		if err != nil || again != h {
			t.Errorf("%+v became %+v, %v", h, again, err)
		}
	})
}

func FuzzIndex(f *testing.F) {
	f.Add(index{meta: testMeta, entries: []entry{{key: "tile/1", size: image.Pt(238, 304), at: 4096, sum: 9}}}.encode(), uint64(1<<20))
	f.Add([]byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, end uint64) {
		x, err := decodeIndex(b, end)
		if err != nil {
			return
		}
		for _, e := range x.entries {
			if e.at < headerSize || e.at+e.bytes() > end || e.at+e.bytes() < e.at {
				t.Errorf("%+v lies outside of %d bytes", e, end)
			}
		}
		if !bytes.Equal(x.encode(), b) {
			t.Error("what was read is not what is written")
		}
	})
}
