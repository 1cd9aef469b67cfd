package art

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"fountain/agent/beverage"
	"fountain/touchui/theme"
)

func fonts(t testing.TB) *theme.Fonts {
	t.Helper()
	f, err := theme.LoadFonts()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func catalogue(t testing.TB) *beverage.Catalogue {
	t.Helper()
	c, err := beverage.Default()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// keep writes pictures to look at when FOUNTAIN_LOOK names a directory.
func keep(t testing.TB, img image.Image, name string) {
	dir := os.Getenv("FOUNTAIN_LOOK")
	if dir == "" {
		return
	}
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
}

func TestWall(t *testing.T) {
	f, c := fonts(t), catalogue(t)
	r := theme.Light()
	n := len(c.Brands)
	p := NewPicture(f, 1810, 24*2+(n+6)/7*320-16, r.BG)
	for i := range c.Brands {
		p.Paste(Tile(f, &c.Brands[i], c.Brands[i].Kind, TileFull, r.BG, i%10 == 7, r), 24+i%7*254, 24+i/7*320)
	}
	keep(t, p.RGBA, "wall.png")
}

func TestCards(t *testing.T) {
	f, c := fonts(t), catalogue(t)
	r := theme.Light()
	p := NewPicture(f, 1080, 1100, r.BG)
	b := &c.Brands[1]
	p.Paste(FavouriteCard(b, "Black Cherry Zero", "No sugar").Draw(f, r.BG, r), 40, 20)
	p.Paste(SubstituteCard(b, "Black Cherry Zero", "No sugar, same caffeine").Draw(f, r.BG, r), 40, 300)
	x := 40.0
	for _, k := range []string{"back", "tap", "hold", "zero", "moon", "bubbles", "still", "star", "check", "x", "all"} {
		p.Icon(k, x, 720, 84, r.Ink)
		x += 94
	}
	x = 40
	for i, k := range []string{"cherry", "flower", "moon", "leaf", "citrus", "berry", "drop", "bolt", ""} {
		p.Glyph(k, x, 820, .7, i%2 == 0, r.Ink, r.BG)
		x += 112
	}
	p.Cup(600, 40, 130, 198, .86, 7, 16, r.Water, r.Ink)
	p.Logo(800, 44, 46, Style{theme.Size{PX: 46, Line: 1, Cut: theme.Display, Track: -.015}, r.Ink})
	p.Wave(0, 1000, 1080, 48, WavePeriod, r.Ink)
	keep(t, p.RGBA, "cards.png")
}

func BenchmarkTile(b *testing.B) {
	f, c := fonts(b), catalogue(b)
	r := theme.Light()
	i := 0
	for b.Loop() {
		Tile(f, &c.Brands[i%len(c.Brands)], "Cola", TileFull, r.BG, false, r)
		i++
	}
}

func TestCacheKeepsItsBudget(t *testing.T) {
	c := NewCache(10 * 400)
	made := 0
	get := func(k string) {
		c.Get(k, func() *image.RGBA { made++; return image.NewRGBA(image.Rect(0, 0, 10, 10)) })
	}
	for _, k := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
		get(k)
	}
	get("a") // used again: b is now the oldest
	get("k")
	if c.Used() != 4000 || made != 11 {
		t.Fatalf("holds %d bytes after %d pictures", c.Used(), made)
	}
	get("a")
	if made != 11 {
		t.Error("dropped a picture that was in use")
	}
	get("b")
	if made != 12 {
		t.Error("kept the oldest picture beyond the budget")
	}
}

// Every icon and glyph draws something, and nothing outside its box.
func TestIconsStayInTheirBox(t *testing.T) {
	f := fonts(t)
	ink := theme.Light().Ink
	check := func(name string, p *Picture, box image.Rectangle) {
		n := 0
		for y := range p.Rect.Dy() {
			for x := range p.Rect.Dx() {
				if p.RGBAAt(x, y).A == 0 {
					continue
				}
				n++
				if !image.Pt(x, y).In(box) {
					t.Fatalf("%s paints %d,%d outside %v", name, x, y, box)
				}
			}
		}
		if n < box.Dx()*box.Dy()/40 {
			t.Errorf("%s paints only %d pixels", name, n)
		}
	}
	for name := range icons {
		p := Clear(f, 140, 140)
		p.Icon(name, 20, 20, 96, ink)
		check(name, p, image.Rect(20, 20, 117, 117))
	}
	for _, name := range []string{"cherry", "flower", "moon", "leaf", "citrus", "berry", "drop", "bolt", "plain"} {
		p := Clear(f, 200, 200)
		p.Glyph(name, 20, 20, 1, false, ink, ink)
		check(name, p, image.Rect(16, 16, 178, 178))
	}
}

// A stroke is as wide as its pen, on both sides of the line, also where it closes.
func TestStrokeWidth(t *testing.T) {
	f := fonts(t)
	p := Clear(f, 100, 100)
	p.Fill((&Path{}).Circle(50, 50, 30).Stroke(Pen{Width: 10}), theme.Light().Ink)
	for _, c := range []struct {
		x, y int
		ink  bool
	}{{50, 16, true}, {50, 23, true}, {50, 13, false}, {50, 27, false}, {50, 50, false}, {83, 50, true}, {50, 83, true}, {17, 50, true}, {27, 50, false}} {
		if got := p.RGBAAt(c.x, c.y).A == 255; got != c.ink {
			t.Errorf("pixel %d,%d is inked: %v", c.x, c.y, got)
		}
	}
	p = Clear(f, 100, 100)
	p.Fill((&Path{}).Move(20, 80).Line(20, 20).Line(80, 20).Stroke(Pen{Width: 8}), theme.Light().Ink)
	if p.RGBAAt(17, 17).A != 255 {
		t.Error("the mitre of a right angle is missing")
	}
	if p.RGBAAt(82, 20).A != 0 || p.RGBAAt(78, 20).A != 255 {
		t.Error("a butt cap is not at the end of the line")
	}
}

// A motif is data from outside: nonsense must not hang or crash the screen.
func TestNonsenseMotifs(t *testing.T) {
	f := fonts(t)
	deep := beverage.Shape{T: "circle", R: 10, F: "s"}
	for range 50 {
		deep = beverage.Shape{T: "repeat", N: 1 << 30, Rot: 1, Of: []beverage.Shape{deep}}
	}
	shapes := []beverage.Shape{
		deep,
		{T: "wave", Len: -1, Amp: 1e9, H: 5},
		{T: "poly", Pts: []float64{1}},
		{T: "nothing"},
		{T: "circle", R: -5},
		{T: "ring", R: 1e9, W: 1e9},
		{T: "wedge", R: 10, R0: 20, From: 1e6, To: -1e6},
		{T: "rect", W: -10, H: -10, R: 50},
		{T: "drop"},
		{T: "leaf"},
		{T: "ellipse", RX: 1e12, RY: -1},
	}
	red := theme.Hex("#FF0000")
	for i := range shapes {
		p := NewPicture(f, 50, 50, red)
		p.Motif(beverage.Motif{Shapes: shapes[i : i+1]}, Colours{Secondary: red}, p.Rect, nil)
		p.Motif(beverage.Motif{Shapes: shapes[i : i+1]}, Colours{Secondary: red}, p.Rect, &red)
	}
}
