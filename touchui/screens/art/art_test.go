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
		p.Paste(Tile(f, &c.Brands[i], TileFull, r.BG, i%10 == 7, r), 24+i%7*254, 24+i/7*320)
	}
	keep(t, p.RGBA, "wall.png")
}

func TestCards(t *testing.T) {
	f, c := fonts(t), catalogue(t)
	r := theme.Light()
	p := NewPicture(f, 1080, 1100, r.BG)
	b := &c.Brands[1]
	p.Paste(FavouriteCard(b, "Black Cherry Zero", "No sugar").Draw(f, r.BG), 40, 20)
	p.Paste(SubstituteCard(b, "Black Cherry Zero", "No sugar, same caffeine").Draw(f, r.BG), 40, 300)
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
