package art

import (
	"image"
	"image/color"
	"testing"

	"fountain/internal/golden"
	"fountain/touchui/theme"
)

// What is placed by its box is turned around in a language written from right to left; what it shows is not.
func TestTurning(t *testing.T) {
	f := fonts(t)
	ink, bg := theme.Light().Ink, theme.Light().BG
	things := map[string]struct {
		draw func(*Picture)
		same bool // its shape is the same from both sides: the mirrored picture is the turned one
	}{
		"box":   {func(p *Picture) { p.Box(10, 20, 50, 30, ink) }, true},
		"round": {func(p *Picture) { p.Round(10, 20, 50, 30, 12, ink) }, true},
		"frame": {func(p *Picture) { p.Frame(10, 20, 50, 30, 12, 4, ink) }, true},
		"cup":   {func(p *Picture) { p.Cup(10, 20, 50, 80, .5, 4, 8, ink, ink) }, true},
		"back":  {func(p *Picture) { p.Icon("back", 10, 20, 48, ink) }, true}, // an arrow follows the way of reading
		"moon":  {func(p *Picture) { p.Icon("moon", 10, 20, 48, ink) }, false},
		"clip":  {func(p *Picture) { defer p.Clip(image.Rect(0, 0, 30, 100))(); p.Box(10, 20, 50, 30, ink) }, true},
		"fixed": {func(p *Picture) { defer p.Fixed()(); p.Box(10, 20, 50, 30, ink) }, false},
		"text": {func(p *Picture) {
			p.Text("R", 10, 20, Style{theme.Size{PX: 60, Line: 1, Cut: theme.Display}, ink}, Left)
		}, false},
		"logo": {func(p *Picture) { p.Logo(4, 20, 30, Style{theme.Size{PX: 30, Line: 1, Cut: theme.Display}, ink}) }, false},
		"centre": {func(p *Picture) {
			p.Text("H", 100, 20, Style{theme.Size{PX: 60, Line: 1, Cut: theme.Display}, ink}, Centre)
		}, true},
	}
	for name, th := range things {
		ltr, rtl := NewPicture(f, 200, 120, bg), NewPicture(f.For("ar", true), 200, 120, bg)
		th.draw(ltr)
		th.draw(rtl)
		_, n, _ := golden.Diff(mirrored(ltr.RGBA), rtl.RGBA, 40)
		if same := n == 0; same != th.same {
			t.Errorf("%s: the turned picture differs from the mirrored one in %d pixels", name, n)
		}
		if name == "fixed" {
			continue
		}
		a, b := inkOf(ltr.RGBA, bg), inkOf(rtl.RGBA, bg)
		slack := 1
		if !th.same {
			slack = 18 // its box has room that is not the same on both sides
		}
		if abs(a.Dx()-b.Dx()) > 1 || abs(200-a.Max.X-b.Min.X) > slack {
			t.Errorf("%s stands at %v, turned at %v", name, a, b)
		}
	}
}

func abs(v int) int { return max(v, -v) }

func mirrored(img *image.RGBA) *image.RGBA {
	out := image.NewRGBA(img.Rect)
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			out.SetRGBA(img.Rect.Dx()-1-x, y, img.RGBAAt(x, y))
		}
	}
	return out
}

// inkOf is the box of what differs from bg.
func inkOf(img *image.RGBA, bg color.RGBA) image.Rectangle {
	var r image.Rectangle
	for y := range img.Rect.Dy() {
		for x := range img.Rect.Dx() {
			if img.RGBAAt(x, y) != bg {
				r = r.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return r
}

// Scripts as they are drawn: letters that join, run the right way round, and none that is missing.
func TestScripts(t *testing.T) {
	f := fonts(t)
	r := theme.Light()
	for _, c := range []struct {
		tag  string
		rtl  bool
		text []string
	}{
		{"ar", true, []string{"ماذا تودّ أن تشرب؟", "كولا بالكرز (473 مل)", "Kolvane بدون سكر", "السعر 12.5 غ / 100 مل"}},
		{"ja", false, []string{"何を飲みますか？", "チェリーコーラ（473 ml）", "Kolvane 砂糖ゼロ", "押している間、注ぎます。"}},
		{"el", false, []string{"Τι θα πιείτε;", "Напиток без сахара", "Größe, façade, año", "Office & fjord 0123"}},
	} {
		p := NewPicture(f.For(c.tag, c.rtl), 620, 330, r.BG)
		for i, s := range c.text {
			cut := []theme.Cut{theme.Display, theme.Condensed, theme.Text, theme.Sans}[i]
			p.Text(s, 20, 14+float64(i)*76, Style{theme.Size{PX: 56, Line: 1.2, Cut: cut}, r.Ink}, Left)
		}
		keep(t, p.RGBA, "script-"+c.tag+".png")
		golden.PNG(t, p.RGBA, "testdata/script-"+c.tag+".png", tolerance)
	}
}
