package paint_test

import (
	"fmt"
	"image"
	"image/color"
	"runtime"
	"slices"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/software"
	"fyne.io/fyne/v2/test"
	"golang.org/x/sys/unix"

	"fountain/touchui/display"
	"fountain/touchui/kiosk/paint"
)

var screenSizes = []image.Point{{X: 1080, Y: 1920}, {X: 800, Y: 1280}, {X: 800, Y: 480}}

func asIs(im *image.RGBA) image.Image { return im }

// scroller shows a wall on a panel turned so, seven pixels further each frame, up and down.
func scroller(w wall, size image.Point, rot paint.Rotation) (step func(), p *paint.Painter) {
	panel := rot.Size(size)
	p = paint.New(paint.Config{Width: panel.X, Height: panel.Y, Rotation: rot, Format: display.XRGB8888, CacheBytes: 96 << 20})
	for y := range 40 { // every texture of the way
		w.scroll(float32(y) * 100)
		p.Frame(w.root)
	}
	y, dir := 0, 7
	return func() {
		if y += dir; y > 2800 || y < 0 {
			dir = -dir
		}
		w.scroll(float32(y))
		p.Frame(w.root)
	}, p
}

// presser presses and releases a tile of the naive wall, a frame each.
func presser(size image.Point) (step func()) {
	w := naiveWall(size.X, size.Y)
	p := paint.New(paint.Config{Width: size.X, Height: size.Y, Format: display.XRGB8888})
	p.Frame(w.root)
	n := 0
	return func() {
		n++
		w.press.FillColor = color.NRGBA{R: byte(n%2) * 200, G: 40, A: 255}
		p.Frame(w.root)
	}
}

// fynes captures a wall by Fyne's painter, scrolled likewise.
func fynes(w wall, size image.Point) (step func()) {
	c := software.NewCanvas()
	c.SetPadded(false)
	c.SetContent(w.root)
	c.Resize(fyne.NewSize(float32(size.X), float32(size.Y)))
	y := 0
	return func() {
		y += 7
		w.scroll(float32(y % 2800))
		c.Capture()
	}
}

// cpu is the processor time this thread has used: what other programs on a busy host take is not in it, nor is the
// collector's work in the background, which is Fyne's for the most part.
func cpu() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) // cannot fail on Linux
	return time.Duration(ts.Nano())
}

// timed is the processor time of one call of f, which runs n times.
func timed(n int, f func()) time.Duration {
	start := cpu()
	for range n {
		f()
	}
	return (cpu() - start) / time.Duration(n)
}

func median(xs []time.Duration) time.Duration {
	slices.Sort(xs)
	return xs[len(xs)/2]
}

// BenchmarkWall shows the same 120 brands by Fyne's painter and by ours, in turns, so that a busy host slows both: each
// way's median of processor time over the rounds. An operation is all of it, once.
func BenchmarkWall(b *testing.B) {
	for _, size := range screenSizes {
		b.Run(fmt.Sprintf("%dx%d", size.X, size.Y), func(b *testing.B) {
			test.NewTempApp(b)
			naive, best := fynes(naiveWall(size.X, size.Y), size), fynes(gridWall(size.X, size.Y), size)
			same, _ := scroller(gridWall(size.X, size.Y), size, paint.Rotate0)
			composed, _ := scroller(composedWall(size.X, size.Y, asIs), size, paint.Rotate0)
			turned, _ := scroller(composedWall(size.X, size.Y, asIs), size, paint.Rotate90)
			press := presser(size)
			naive()
			best()
			press()
			press()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			const rounds, frames = 7, 60
			for b.Loop() {
				var tn, tb, ts, tc, tt, tp []time.Duration
				for range rounds {
					tn, tb = append(tn, timed(1, naive)), append(tb, timed(2, best))
					for range 3 {
						runtime.GC() // what Fyne's painter left
						ts, tc, tt = append(ts, timed(frames, same)), append(tc, timed(frames, composed)), append(tt, timed(frames, turned))
						for range 20 {
							tp = append(tp, timed(1, press))
						}
					}
				}
				n := median(tn)
				slices.Sort(tp)
				for name, d := range map[string]time.Duration{
					"naive": n, "best": median(tb), "same": median(ts), "composed": median(tc), "turned": median(tt), "press-p95": tp[len(tp)*95/100],
				} {
					b.ReportMetric(d.Seconds()*1000, name+"-ms")
				}
			}
		})
	}
}

func BenchmarkSame1080x1920(b *testing.B) {
	test.NewTempApp(b)
	step, _ := scroller(gridWall(1080, 1920), image.Pt(1080, 1920), paint.Rotate0)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

func BenchmarkComposed1080x1920(b *testing.B) {
	test.NewTempApp(b)
	step, _ := scroller(composedWall(1080, 1920, asIs), image.Pt(1080, 1920), paint.Rotate0)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

func BenchmarkUnchanged1080x1920(b *testing.B) {
	test.NewTempApp(b)
	w := gridWall(1080, 1920)
	p := paint.New(paint.Config{Width: 1080, Height: 1920})
	p.Frame(w.root)
	b.ReportAllocs()
	for b.Loop() {
		p.Frame(w.root)
	}
}

func BenchmarkPress1080x1920(b *testing.B) {
	test.NewTempApp(b)
	step := presser(image.Pt(1080, 1920))
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
