// Package golden compares pictures with masters in testdata, with a tolerance: float arithmetic differs by a level
// or two between CPUs.
package golden

import (
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write golden masters instead of comparing")

// PNG fails t when img differs from the master at path by more than tolerance (0-255) in any channel of any pixel.
// The picture and the difference go to t.ArtifactDir(). With -update it writes the master.
func PNG(t testing.TB, img image.Image, path string, tolerance int) {
	t.Helper()
	if *update {
		if err := write(path, img); err != nil {
			t.Fatal(err)
		}
		return
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatalf("golden master is missing: %v: run the test with -update and look at the picture", err)
	}
	defer f.Close()
	want, err := png.Decode(f)
	if err != nil {
		t.Fatalf("read golden master %s: %v", path, err)
	}
	diff, n, worst := Diff(img, want, tolerance)
	if n == 0 {
		return
	}
	base := filepath.Join(t.ArtifactDir(), filepath.Base(path))
	if err := write(base, img); err != nil {
		t.Log(err)
	}
	if diff != nil {
		if err := write(base+".diff.png", diff); err != nil {
			t.Log(err)
		}
	}
	t.Errorf("picture differs from %s in %d pixels (worst %d of 255, tolerance %d); see %s", path, n, worst, tolerance, base)
}

// Diff counts the pixels of got that differ from want by more than tolerance in any channel, and marks them red. A
// different size counts every pixel and yields no picture.
func Diff(got, want image.Image, tolerance int) (diff *image.RGBA, n, worst int) {
	gb, wb := got.Bounds(), want.Bounds()
	if gb.Size() != wb.Size() {
		return nil, gb.Dx() * gb.Dy(), 255
	}
	diff = image.NewRGBA(image.Rect(0, 0, gb.Dx(), gb.Dy()))
	for y := range gb.Dy() {
		for x := range gb.Dx() {
			d := distance(got.At(gb.Min.X+x, gb.Min.Y+y), want.At(wb.Min.X+x, wb.Min.Y+y))
			worst = max(worst, d)
			if d > tolerance {
				n++
				diff.SetRGBA(x, y, color.RGBA{R: 255, A: 255})
			}
		}
	}
	return diff, n, worst
}

func distance(a, b color.Color) int {
	ar, ag, ab, aa := a.RGBA()
	br, bg, bb, ba := b.RGBA()
	return max(abs(ar, br), abs(ag, bg), abs(ab, bb), abs(aa, ba))
}

func abs(a, b uint32) int {
	d := int(a>>8) - int(b>>8)
	if d < 0 {
		return -d
	}
	return d
}

func write(path string, img image.Image) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write picture: %w", err)
	}
	if err := png.Encode(f, img); err != nil {
		_ = f.Close() // the encoding error is the one to tell
		return fmt.Errorf("write picture %s: %w", path, err)
	}
	return f.Close()
}
