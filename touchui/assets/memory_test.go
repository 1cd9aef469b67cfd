package assets

import (
	"context"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"fountain/touchui/kiosk/paint"
)

// mapped is how much of files and shared memory this process holds, in bytes.
func mapped(t *testing.T) (sum int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "RssFile: %d kB", &kb); n == 1 {
			sum += kb << 10
		}
		if n, _ := fmt.Sscanf(line, "RssShmem: %d kB", &kb); n == 1 {
			sum += kb << 10
		}
	}
	return sum
}

// A whole wall that is shown tile by tile holds no more memory than the painter's budget: what went out of sight is given
// back to the kernel, and comes again when it is shown again.
func TestMappedMemoryIsGivenBack(t *testing.T) {
	const w, h, n, budget = 238, 304, 80, 4 << 20
	path := filepath.Join(t.TempDir(), "wall.pack")
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprint(i))
	}
	tile := noise(w, h, 1)
	if err := Build(t.Context(), path, testMeta, keys, func(context.Context, string) (*image.RGBA, error) { return tile, nil }); err != nil {
		t.Fatal(err)
	}
	p, err := Open(path, testMeta)
	if err != nil {
		t.Fatal(err)
	}
	before := mapped(t)
	pt := paint.New(paint.Config{Width: w, Height: h, CacheBytes: budget})
	for range 2 {
		for _, k := range keys {
			b, err := p.Picture(k)
			if err != nil {
				t.Fatal(err)
			}
			c := canvas.NewImageFromImage(b)
			c.Resize(fyne.NewSize(w, h))
			pt.Frame(c)
			if got := pt.Seen().RGBAAt(17, 33); got != tile.RGBAAt(17, 33) {
				t.Fatalf("tile %s shows %v", k, got)
			}
		}
	}
	if grown := mapped(t) - before; grown > budget+4<<20 {
		t.Errorf("%d MB stay mapped of %d, budget %d", grown>>20, n*w*h*4>>20, budget>>20)
	}
}
