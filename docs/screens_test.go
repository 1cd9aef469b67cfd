package docs_test

import (
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pictures are the screens that design.md shows, by the names under which the tests of touchui/screens and
// touchui/service keep what they draw (FOUNTAIN_LOOK). `make screens` writes them anew, half as wide.
var pictures = map[string]string{
	"home":              "look-home-en-0-1080x1920",
	"home-campaign":     "look-campaign-en-0-1080x1920",
	"home-large":        "look-home-en-1-1080x1920",
	"home-contrast":     "look-home-en-2-1080x1920",
	"home-de-large":     "look-home-de-1-1080x1920",
	"home-ar":           "look-home-ar-0-1080x1920",
	"home-ja":           "look-home-ja-0-1080x1920",
	"attract":           "look-attract-en-0-1080x1920",
	"search":            "look-searched-en-0-1080x1920",
	"search-ja":         "look-searched-ja-0-1080x1920",
	"language":          "look-language-en-0-1080x1920",
	"phone":             "look-phone-en-0-1080x1920",
	"brand":             "drink-brand-en-0-1080x1920",
	"beverage":          "drink-beverage-en-0-1080x1920",
	"beverage-ar":       "drink-beverage-ar-0-1080x1920",
	"beverage-contrast": "drink-beverage-en-2-1080x1920",
	"energy":            "drink-energy-en-0-1080x1920",
	"refused":           "drink-refused-en-0-1080x1920",
	"pouring":           "drink-pouring-en-0-1080x1920",
	"pouring-ar":        "drink-pouring-ar-0-1080x1920",
	"paused":            "drink-paused-en-0-1080x1920",
	"foam":              "drink-foam-en-0-1080x1920",
	"top-off":           "drink-last-en-0-1080x1920",
	"sold-out":          "drink-sold-out-en-0-1080x1920",
	"no-fizz":           "drink-no-fizz-en-0-1080x1920",
	"out-of-order":      "drink-out-of-order-en-0-1080x1920",
	"mix":               "1080x1920-mix-moved",
	"mix-pick":          "1080x1920-mix-pick",
	"mix-pouring":       "1080x1920-mix-pouring",
	"reach":             "1080x1920-reach-en-choose",
	"reach-filter":      "1080x1920-reach-en-filter",
	"reach-pouring":     "1080x1920-reach-en-pouring",
	"reach-mix":         "1080x1920-reach-mix",
	"keys":              "1080x1920-en-focus-home",

	"800x480-home":         "look-home-en-0-800x480",
	"800x480-beverage":     "drink-beverage-en-0-800x480",
	"800x480-pouring":      "drink-pouring-en-0-800x480",
	"800x480-service":      "audit-800x480-en-home",
	"800x1280-home":        "look-home-en-0-800x1280",
	"800x1280-beverage":    "drink-beverage-en-0-800x1280",
	"800x1280-pouring":     "drink-pouring-en-0-800x1280",
	"1920x1080-home":       "look-home-en-0-1920x1080",
	"1920x1080-beverage":   "drink-beverage-en-0-1920x1080",
	"1920x1080-mix":        "1920x1080-mix",
	"service-pin":          "audit-1080x1920-en-pin",
	"service-home":         "audit-1080x1920-en-home",
	"service-menu":         "audit-1080x1920-en-menu",
	"service-alarms":       "audit-1080x1920-en-alarms",
	"service-alarm":        "audit-1080x1920-en-alarm",
	"service-lines":        "audit-1080x1920-en-lines",
	"service-line":         "audit-1080x1920-en-line",
	"service-cartridges":   "audit-1080x1920-en-cartridges",
	"service-swap":         "audit-1080x1920-en-swap",
	"service-prime":        "audit-1080x1920-en-confirm",
	"service-clean":        "audit-1080x1920-en-clean",
	"service-calibrate":    "audit-1080x1920-en-number",
	"service-calibrated":   "audit-1080x1920-en-outcome",
	"service-self-test":    "audit-1080x1920-en-selftest",
	"service-test-pour":    "audit-1080x1920-en-hold",
	"service-network":      "audit-1080x1920-en-network",
	"service-proxy":        "audit-1080x1920-en-proxy",
	"service-content":      "audit-1080x1920-en-content",
	"service-logs":         "audit-1080x1920-en-logs",
	"service-diagnostics":  "audit-1080x1920-en-diag",
	"service-code":         "diag-code",
	"service-display":      "audit-1080x1920-en-display",
	"service-display-grid": "display-grid",
	"setup-pin":            "audit-1080x1920-en-setup-pin",
	"setup-zone":           "audit-1080x1920-en-setup-zone",
	"setup-done":           "audit-1080x1920-en-setup-done",
}

// TestScreens: the pages show every picture there is and no other, and a picture stays small. With FOUNTAIN_LOOK, which
// names what the tests of the screens have drawn, it makes the pictures first.
func TestScreens(t *testing.T) {
	if from := os.Getenv("FOUNTAIN_LOOK"); from != "" {
		for name, of := range pictures {
			halve(t, filepath.Join(from, of+".png"), filepath.Join("screens", name+".png"))
		}
	}
	var shown []string
	for page, link := range map[string]string{"design.md": `screens/([\w-]+)\.png`, "../README.md": `docs/screens/([\w-]+)\.png`} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(link).FindAllStringSubmatch(string(text), -1) {
			shown = append(shown, m[1])
		}
	}
	files, err := filepath.Glob("screens/*.png")
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".png"); !slices.Contains(shown, name) {
			t.Errorf("no page shows %s", f)
		}
		st, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if total += st.Size(); st.Size() > 120<<10 {
			t.Errorf("%s has %d bytes", f, st.Size())
		}
	}
	if total > 4<<20 {
		t.Errorf("the pictures have %d bytes", total)
	}
	for _, name := range shown {
		if !slices.Contains(files, filepath.Join("screens", name+".png")) {
			t.Errorf("there is no picture %s", name)
		}
	}
	for name := range pictures {
		if !slices.Contains(shown, name) {
			t.Errorf("no page shows %s", name)
		}
	}
}

// halve writes a picture half as wide and half as high, in its 256 most frequent colours; small panels stay as they are.
func halve(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	img, err := png.Decode(in)
	if err != nil {
		t.Fatalf("%s: %v: draw the screens first, see the Makefile", from, err)
	}
	b := img.Bounds()
	full := image.NewRGBA(b)
	draw.Draw(full, b, img, b.Min, draw.Src)
	n := 1
	if b.Dx()*b.Dy() > 800*480 {
		n = 2
	}
	w, h := b.Dx()/n, b.Dy()/n
	small := make([]color.RGBA, 0, w*h)
	for y := range h {
		for x := range w {
			var sum [3]int
			for k := range n * n {
				px := full.Pix[full.PixOffset(b.Min.X+x*n+k%n, b.Min.Y+y*n+k/n):]
				for c := range sum {
					sum[c] += int(px[c])
				}
			}
			half := n * n / 2
			small = append(small, color.RGBA{uint8((sum[0] + half) / (n * n)), uint8((sum[1] + half) / (n * n)), uint8((sum[2] + half) / (n * n)), 255})
		}
	}
	out := image.NewPaletted(image.Rect(0, 0, w, h), frequent(small))
	known := map[color.RGBA]uint8{}
	for i, c := range small {
		at, ok := known[c]
		if !ok {
			at = uint8(out.Palette.Index(c))
			known[c] = at
		}
		out.Pix[i] = at
	}
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(f, out); err != nil {
		t.Fatal(err)
	}
}

// frequent returns the colours that stand most often, the commonest of each block of 8 × 8 × 8 neighbours.
func frequent(of []color.RGBA) color.Palette {
	count := map[color.RGBA]int{}
	for _, c := range of {
		count[c]++
	}
	type block struct {
		best  color.RGBA
		total int
	}
	blocks := map[color.RGBA]block{}
	for c, n := range count {
		key := color.RGBA{c.R >> 3, c.G >> 3, c.B >> 3, 0}
		b := blocks[key]
		if was := count[b.best]; n > was || n == was && order(c) < order(b.best) {
			b.best = c
		}
		b.total += n
		blocks[key] = b
	}
	sorted := slices.SortedFunc(maps.Values(blocks), func(a, b block) int {
		return cmp.Or(b.total-a.total, order(a.best)-order(b.best))
	})
	var p color.Palette
	for _, b := range sorted[:min(256, len(sorted))] {
		p = append(p, b.best)
	}
	return p
}

func order(c color.RGBA) int { return int(c.R)<<16 | int(c.G)<<8 | int(c.B) }
