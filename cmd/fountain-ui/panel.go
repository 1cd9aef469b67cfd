package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"os"
	"time"

	"fountain/internal/problem"
	"fountain/touchui/display"
	"fountain/touchui/display/drm"
	"fountain/touchui/display/fbdev"
	"fountain/touchui/display/mem"
	"fountain/touchui/display/web"
	"fountain/touchui/input"
	"fountain/touchui/input/evdev"
)

// Where a picture can go.
const (
	onAuto  = "auto"
	onDRM   = "drm"
	onFbdev = "fbdev"
	onWeb   = "web"
	onNone  = "none"
)

// machine is what this machine has, as far as the choice of a display goes.
type machine struct {
	device bool // it is a dispenser: its unit files have made /run/fountain
	panel  bool // a card has a connected panel
	fb     bool // there is a frame buffer
}

// deviceRun is the folder that systemd makes for a unit's sockets, and nobody makes on a desk.
const deviceRun = "/run/fountain"

func thisMachine() machine {
	fi, err := os.Stat(deviceRun)
	_, panel := drm.Connected()
	return machine{device: err == nil && fi.IsDir(), panel: panel, fb: fbdev.Exists()}
}

// choose says where auto draws. A desk never loses its own screen to it: there, a panel is used only when told to.
func (m machine) choose(told string) string {
	switch {
	case told != onAuto:
		return told
	case m.device && m.panel:
		return onDRM
	case m.device && m.fb:
		return onFbdev
	}
	return onWeb
}

// screen is an open display with its fingers.
type screen struct {
	display.Display
	touches input.Source
	page    *web.Display    // the web display, or the one that looks on; nil without
	gone    <-chan struct{} // closed when the panel will not come back; nil for displays that cannot go
	name    string
	close   []func() error
}

// shut closes what was opened, the panel last.
func (s *screen) shut() error {
	var errs []error
	for i := len(s.close) - 1; i >= 0; i-- {
		errs = append(errs, s.close[i]())
	}
	return errors.Join(errs...)
}

// openScreen opens the display that was chosen.
func openScreen(o options, where string, log *slog.Logger) (*screen, error) {
	s := &screen{name: where}
	switch where {
	case onDRM:
		d, err := drm.Open(drm.Config{Path: o.card, Connector: o.connector, Width: o.wantW, Height: o.wantH, Log: log})
		if err != nil {
			return nil, err
		}
		s.Display, s.gone, s.name = d, d.Gone(), d.Name()
		s.close = append(s.close, d.Close)
	case onFbdev:
		d, err := fbdev.Open(fbdev.Config{Path: o.card, Log: log})
		if err != nil {
			return nil, err
		}
		s.Display, s.name = d, d.Name()
		s.close = append(s.close, d.Close)
	case onNone:
		s.Display = mem.New(o.width, o.height, display.RGBA8888)
		return s, nil
	default:
		s.page = web.New(web.Config{Width: o.width, Height: o.height, Token: o.token, Log: log})
		s.Display, s.touches = s.page, s.page.Input()
		s.close = append(s.close, s.page.Close)
		return s, nil
	}
	w, h := s.Size()
	fingers, err := evdev.Open(evdev.Config{Width: w, Height: h, Calibration: o.calibration, Share: o.share, Log: log})
	if err != nil {
		return nil, errors.Join(err, s.shut())
	}
	s.touches = fingers
	s.close = append(s.close, fingers.Close)
	if o.httpSet {
		s.page = web.New(web.Config{Width: w, Height: h, Token: o.token, Log: log, Format: s.Format(), WatchOnly: true})
		s.close = append(s.close, s.page.Close)
		s.Display = beside{s.Display, s.page}
	}
	return s, nil
}

// beside is a panel whose picture browsers may look at.
type beside struct {
	display.Display
	page *web.Display
}

func (b beside) Present(f *display.Frame, dirty []image.Rectangle) error {
	err := b.Display.Present(f, dirty)
	_ = b.page.Present(f, dirty) // closed at the end: nobody looks on any more
	return err
}

// watchPanel ends the screen with a reason when what it draws on has changed for good: systemd starts it anew.
//
//	the panel's card is gone          ─► an error
//	auto chose the web for want of a panel, and now there is one ─► an error that says so
func watchPanel(ctx context.Context, s *screen, await bool) error {
	var look <-chan time.Time
	if await {
		t := time.NewTicker(2 * time.Second)
		defer t.Stop()
		look = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.gone:
			return &problem.Problem{Code: problem.CodeUnreachable, Where: s.name, What: "the display is gone", Remedy: "check the panel's cable and power", Retry: true}
		case <-look:
			if path, ok := drm.Connected(); ok {
				return &problem.Problem{Code: problem.CodeUnreachable, Where: path, What: "a panel has been connected", Remedy: "start fountain-ui again to draw on it", Retry: true}
			}
		}
	}
}

// pixelsPerMM is the panel's density, by what was told, else by what the panel says of itself; 0 when nobody knows. A
// panel that claims less than 2 or more than 20 pixels a millimetre (50 to 500 dpi) is not believed.
func pixelsPerMM(d display.Display, toldW, toldH int) (float64, error) {
	w, h := d.Size()
	density := func(mmW, mmH int) float64 { return (float64(w)/float64(mmW) + float64(h)/float64(mmH)) / 2 }
	if toldW > 0 {
		x, y := float64(w)/float64(toldW), float64(h)/float64(toldH)
		if v := density(toldW, toldH); v < 0.5 || v > 50 || x/y > 1.5 || y/x > 1.5 {
			return 0, &problem.Problem{
				Code: problem.CodeBadRequest, Where: fmt.Sprintf("--panel-mm %dx%d", toldW, toldH), What: fmt.Sprintf("a panel of %dx%d pixels cannot be of that size", w, h),
				Remedy: "measure the lit part in millimetres, as the panel is made, not as it is turned",
			}
		}
		return density(toldW, toldH), nil
	}
	if b, ok := d.(beside); ok {
		d = b.Display
	}
	if m, ok := d.(display.Measured); ok {
		if mmW, mmH := m.PanelMM(); mmW > 0 && mmH > 0 {
			if v := density(mmW, mmH); v >= 2 && v <= 20 {
				return v, nil
			}
		}
	}
	return 0, nil
}
