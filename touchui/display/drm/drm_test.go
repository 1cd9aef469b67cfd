//go:build linux

package drm

import (
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"fountain/internal/problem"
	"fountain/touchui/display"
)

// The layouts and numbers are those of the kernel's headers (drm.h, drm_mode.h), on 64-bit and on 32-bit processors.
func TestLayout(t *testing.T) {
	for name, c := range map[string]struct{ got, want uintptr }{
		"drm_mode_card_res":        {unsafe.Sizeof(cardRes{}), 64},
		"drm_mode_modeinfo":        {unsafe.Sizeof(modeInfo{}), 68},
		"drm_mode_get_connector":   {unsafe.Sizeof(getConnector{}), 80},
		"drm_mode_get_encoder":     {unsafe.Sizeof(getEncoder{}), 20},
		"drm_mode_crtc":            {unsafe.Sizeof(modeCRTC{}), 104},
		"drm_mode_create_dumb":     {unsafe.Sizeof(createDumb{}), 32},
		"drm_mode_map_dumb":        {unsafe.Sizeof(mapDumb{}), 16},
		"drm_mode_fb_cmd":          {unsafe.Sizeof(fbCmd{}), 28},
		"drm_mode_crtc_page_flip":  {unsafe.Sizeof(pageFlip{}), 24},
		"get_connector.connection": {unsafe.Offsetof(getConnector{}.connection), 60},
		"crtc.mode":                {unsafe.Offsetof(modeCRTC{}.mode), 36},
		"create_dumb.size":         {unsafe.Offsetof(createDumb{}.size), 24},
		"map_dumb.offset":          {unsafe.Offsetof(mapDumb{}.offset), 8},
		"page_flip.user":           {unsafe.Offsetof(pageFlip{}.user), 16},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", name, c.got, c.want)
		}
	}
	for name, c := range map[string]struct{ got, want uint }{
		"SET_MASTER": {ioSetMaster, 0x641e}, "GETRESOURCES": {ioResources, 0xc04064a0}, "GETCRTC": {ioGetCRTC, 0xc06864a1},
		"SETCRTC": {ioSetCRTC, 0xc06864a2}, "GETENCODER": {ioGetEncoder, 0xc01464a6}, "GETCONNECTOR": {ioGetConnector, 0xc05064a7},
		"ADDFB": {ioAddFB, 0xc01c64ae}, "RMFB": {ioRemoveFB, 0xc00464af}, "PAGE_FLIP": {ioPageFlip, 0xc01864b0},
		"CREATE_DUMB": {ioCreateDumb, 0xc02064b2}, "MAP_DUMB": {ioMapDumb, 0xc01064b3}, "DESTROY_DUMB": {ioDestroyDumb, 0xc00464b4},
	} {
		if c.got != c.want {
			t.Errorf("%s: %#x, want %#x", name, c.got, c.want)
		}
	}
}

func mode(w, h, hz uint16, kind uint32) modeInfo {
	return modeInfo{HDisplay: w, VDisplay: h, VRefresh: uint32(hz), Type: kind}
}

func panel(modes ...modeInfo) connector {
	if len(modes) == 0 {
		modes = []modeInfo{mode(64, 48, 60, typePreferred)}
	}
	return connector{id: 3, name: "HDMI-A-1", on: true, mmW: 268, mmH: 476, modes: modes, encoders: []uint32{7}}
}

func TestChoose(t *testing.T) {
	off, two := panel(), panel(mode(800, 480, 60, typePreferred))
	off.on = false
	two.id, two.name = 5, "DSI-1"
	modes := panel(mode(1920, 1080, 60, 0), mode(1080, 1920, 50, 0), mode(1080, 1920, 60, 0), mode(1280, 720, 60, typePreferred))
	for _, tt := range []struct {
		name  string
		cards []connector
		cfg   Config
		want  string // connector WxH@Hz, or what the error says
	}{
		{"preferred", []connector{modes}, Config{}, "HDMI-A-1 1280x720@60"},
		{"wanted, the fastest", []connector{modes}, Config{Width: 1080, Height: 1920}, "HDMI-A-1 1080x1920@60"},
		{"no such mode", []connector{modes}, Config{Width: 640, Height: 480}, "no mode of 640x480"},
		{"its modes are told", []connector{modes}, Config{Width: 640, Height: 480}, "1920x1080, 1080x1920, 1280x720"},
		{"the connected one", []connector{off, two}, Config{}, "DSI-1 800x480@60"},
		{"the one with the mode", []connector{modes, two}, Config{Width: 800, Height: 480}, "DSI-1 800x480@60"},
		{"by name", []connector{modes, two}, Config{Connector: "DSI-1"}, "DSI-1 800x480@60"},
		{"by a name without a panel", []connector{off, two}, Config{Connector: "HDMI-A-1"}, "no panel is connected to HDMI-A-1"},
		{"none", []connector{off}, Config{}, "no panel is connected"},
		{"no connector", nil, Config{}, "no panel is connected"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o, err := choose(newFake(tt.cards...), tt.cfg)
			got := fmt.Sprintf("%s %dx%d@%d", o.connector.name, o.mode.HDisplay, o.mode.VDisplay, o.mode.VRefresh)
			var p *problem.Problem
			if err != nil {
				if got = err.Error(); !errors.As(err, &p) || p.Remedy == "" {
					t.Errorf("no remedy in %q", got)
				}
			} else if o.crtc != 41 {
				t.Errorf("scan-out engine %d", o.crtc)
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// frame paints what a painter would: its own shadow, of which it tells only what changed.
func scribble(r *rand.Rand, f *display.Frame) image.Rectangle {
	x, y := r.IntN(f.Size.X), r.IntN(f.Size.Y)
	q := image.Rect(x, y, x+1+r.IntN(f.Size.X-x), y+1+r.IntN(f.Size.Y-y))
	for y := q.Min.Y; y < q.Max.Y; y++ {
		for i := range f.Row(q, y) {
			f.Row(q, y)[i] = byte(r.Uint32())
		}
	}
	return q
}

func (c *fakeCard) shows(f *display.Frame) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bufs[c.shown]
	for y := range f.Size.Y {
		if string(b.mem[y*int(b.pitch):][:f.Stride]) != string(f.Row(f.Bounds(), y)) {
			return false
		}
	}
	return true
}

func begin(t *testing.T, c *fakeCard) *Display {
	t.Helper()
	d, err := start(Config{Path: "/dev/dri/card0"}, c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Both buffers end up with every pixel, whatever rectangles were told in whatever frames, and each frame is told.
func TestMissedDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFake(panel())
		d := begin(t, c)
		const seed = 7
		r := rand.New(rand.NewPCG(seed, 0))
		f := display.NewFrame(64, 48, display.XRGB8888)
		for i := range 500 {
			dirty := make([]image.Rectangle, 1+r.IntN(40)) // more than a region keeps apart, too
			for j := range dirty {
				dirty[j] = scribble(r, f)
			}
			if err := d.Present(f, dirty); err != nil {
				t.Fatal(err)
			}
			c.tick()
			synctest.Wait()
			if !c.shows(f) {
				t.Fatalf("seed %d: frame %d is not what was painted", seed, i)
			}
			select {
			case <-d.VBlank():
			default:
				t.Fatalf("no vblank after frame %d", i)
			}
		}
		if c.flips != 500 || c.sets != 1 {
			t.Errorf("%d flips and %d modes set", c.flips, c.sets)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if c.current != c.before || len(c.bufs) != 0 || c.isOpen {
			t.Errorf("left behind: %+v, %d buffers, open %v", c.current.fbID, len(c.bufs), c.isOpen)
		}
		if err := d.Present(f, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("presents after Close: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Present blocks until the previous flip and no longer; a flip the kernel never tells costs one frame, not the screen.
func TestPacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFake(panel())
		d := begin(t, c)
		defer d.Close()
		f := display.NewFrame(64, 48, display.XRGB8888)
		all := []image.Rectangle{f.Bounds()}
		present := func() time.Duration {
			start := time.Now()
			if err := d.Present(f, all); err != nil {
				t.Fatal(err)
			}
			return time.Since(start)
		}
		if took := present(); took != 0 {
			t.Errorf("the first frame waits %v", took)
		}
		go func() {
			time.Sleep(16 * time.Millisecond)
			c.tick()
		}()
		if took := present(); took != 16*time.Millisecond {
			t.Errorf("waits %v for a flip of 16 ms", took)
		}
		sets := c.sets
		if took := present(); took > flipLimit+2*busyLimit || took < flipLimit {
			t.Errorf("waits %v for a flip that never comes", took)
		}
		if c.sets != sets+1 || !c.shows(f) {
			t.Errorf("a lost flip: %d modes set", c.sets-sets)
		}
	})
}

// A card that cannot flip is set anew with each frame.
func TestNoFlips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFake(panel())
		c.noFlip = unix.EINVAL
		d := begin(t, c)
		defer d.Close()
		f := display.NewFrame(64, 48, display.XRGB8888)
		r := rand.New(rand.NewPCG(1, 1))
		for range 3 {
			if err := d.Present(f, []image.Rectangle{scribble(r, f)}); err != nil || !c.shows(f) {
				t.Fatalf("shown: %v, %v", c.shows(f), err)
			}
			<-d.VBlank()
		}
	})
}

// While the panel is away, or another program has the display, Present says so and the newest picture comes back with it.
func TestComesBack(t *testing.T) {
	for _, tt := range []struct {
		name     string
		away     func(*fakeCard)
		back     func(*fakeCard)
		says     error
		patience time.Duration
	}{
		{"unplugged", func(c *fakeCard) { c.plug(false) }, func(c *fakeCard) { c.plug(true) }, ErrUnplugged, 0},
		{"plugged while nothing told so", func(c *fakeCard) { c.plug(false) }, func(c *fakeCard) { c.set(func() { c.list[0].on = true }) }, ErrUnplugged, retryEvery},
		{"taken", func(c *fakeCard) { c.set(func() { c.master = false }) }, func(c *fakeCard) { c.set(func() { c.master = true }) }, ErrTaken, retryEvery},
		{
			"its mode was taken off", func(c *fakeCard) { c.set(func() { c.noFlip, c.setFails = unix.EBUSY, unix.EINVAL }) },
			func(c *fakeCard) { c.set(func() { c.noFlip, c.setFails = nil, nil }) }, unix.EINVAL, retryEvery,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFake(panel())
				d := begin(t, c)
				f := display.NewFrame(64, 48, display.XRGB8888)
				r := rand.New(rand.NewPCG(3, 3))
				present := func() error {
					err := d.Present(f, []image.Rectangle{scribble(r, f)})
					c.tick()
					synctest.Wait()
					return err
				}
				for range 3 {
					if err := present(); err != nil {
						t.Fatal(err)
					}
				}
				tt.away(c)
				synctest.Wait()
				for range 5 {
					if err := present(); !errors.Is(err, tt.says) {
						t.Fatalf("says %v, want %v", err, tt.says)
					}
				}
				select {
				case <-d.Gone():
					t.Fatal("says that it is gone for good")
				default:
				}
				tt.back(c)
				time.Sleep(tt.patience)
				synctest.Wait()
				c.tick()
				synctest.Wait()
				if !c.shows(f) {
					t.Fatal("does not show the newest picture by itself")
				}
				for range 3 {
					if err := present(); err != nil || !c.shows(f) {
						t.Fatalf("shown: %v, %v", c.shows(f), err)
					}
				}
				if err := d.Close(); err != nil || c.current != c.before {
					t.Errorf("Close: %v, left %+v", err, c.current)
				}
			})
		})
	}
}

// A card that is gone is told once, and Close still ends.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newFake(panel())
		d := begin(t, c)
		c.set(func() { c.gone = true })
		<-d.Gone()
		f := display.NewFrame(64, 48, display.XRGB8888)
		for range 2 {
			if err := d.Present(f, nil); !errors.Is(err, ErrGone) {
				t.Errorf("says %v", err)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Someone else is master: the error says who could be asked to leave.
func TestHeld(t *testing.T) {
	c := newFake(panel())
	c.master = false
	_, err := start(Config{Path: "/dev/dri/card0"}, c)
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != problem.CodeBusy || !strings.Contains(p.What, "another program holds the display") || !strings.Contains(p.Remedy, "stop it") {
		t.Errorf("%v", err)
	}
	if len(c.bufs) != 0 {
		t.Errorf("%d buffers left", len(c.bufs))
	}
}

func TestOpenProblem(t *testing.T) {
	_, err := Open(Config{Path: t.TempDir() + "/card7"})
	var p *problem.Problem
	if !errors.As(err, &p) || !strings.Contains(p.What, "no such display") || p.Remedy == "" {
		t.Errorf("%v", err)
	}
}
