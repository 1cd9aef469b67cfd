package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"time"

	"fyne.io/fyne/v2"
	"golang.org/x/sync/errgroup"

	"fountain/agent/api"
	"fountain/internal/localhttp"
	"fountain/internal/logkey"
	"fountain/touchui/display"
	"fountain/touchui/display/web"
	"fountain/touchui/kiosk"
	"fountain/touchui/screens"
	"fountain/touchui/speech"
	"fountain/touchui/theme"
)

// serve runs the screen until ctx ends. The order matters: listen first (a port in use is said at once), then draw.
func serve(ctx context.Context, o options, getenv func(string) string, stdout io.Writer, log *slog.Logger) error {
	ctx, err := watch(ctx, getenv)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	here := thisMachine()
	where := here.choose(o.display)
	screen, err := openScreen(o, where, log)
	if err != nil {
		return err
	}
	defer func() {
		if err := screen.shut(); err != nil {
			log.Warn("give the display back", slog.Any(logkey.Err, err))
		}
	}()
	w, h := screen.Size()
	debug.SetMemoryLimit(memoryLimit(w, h))
	ppmm, err := pixelsPerMM(screen.Display, o.mmW, o.mmH)
	if err != nil {
		return err
	}
	ready := fmt.Sprintf("%s, %dx%d", screen.name, w, h)
	if where == onNone {
		ready = fmt.Sprintf("no display, %dx%d", w, h)
	}
	if screen.page != nil {
		url, err := listen(ctx, g, screen.page, o.http)
		if err != nil {
			return err
		}
		if where == onWeb {
			ready = url
		} else {
			ready += ", looked on at " + url
		}
	}
	client := api.NewClient(o.socket)
	defer client.Close()
	drawn := make(chan struct{})
	app, err := kiosk.New(kiosk.Config{
		Display: screen.Display, Input: screen.touches, Scale: float32(o.scale), Rotation: o.rotation, Reduced: o.reduced, Theme: theme.Fyne{Roles: theme.Light()}, Variant: 1, Locale: fyne.Locale("en-US"), Log: log,
		TextureBytes: 8 << 20, // beside what is in sight: screens keeps the pictures themselves
		OnFrame: func(f kiosk.Frame) {
			if f.N == 1 {
				close(drawn)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("start screen: %w", err)
	}
	doubts(o, log)
	units := app.Canvas().Size()
	technicians := &technicians{app: app, client: client, log: log}
	speaker := speech.NewSpeaker(speech.Espeak{Rate: o.speechRate}, log)
	if o.speech != "" {
		speaker.Fix(o.speech)
	}
	ui, err := screens.New(screens.Config{
		Stage: app, Client: client, Width: int(units.Width), Height: int(units.Height), PPMM: ppmm / o.scale, Still: o.reduced, Log: log,
		Languages: o.languages, Assets: tiles(o, screen.Display), Service: technicians.open, Speech: speaker,
	})
	if err != nil {
		return err
	}
	if screen.page != nil {
		screen.page.SetTree(app.Tree)
	}
	g.Go(func() error { return ui.Run(ctx) })
	g.Go(func() error { return speaker.Run(ctx) })
	g.Go(func() error { return alive(ctx, client, drawn, log) })
	g.Go(func() error { return watchPanel(ctx, screen, o.display == onAuto && where == onWeb && here.device) })
	fmt.Fprintf(stdout, "fountain-ui ready: %s\n", ready)
	// Fyne's thread is the goroutine that made the App: this one.
	runErr := app.Run(ctx)
	technicians.close()
	if ctx.Err() == nil && runErr == nil {
		runErr = errors.New("the screen ended by itself")
	}
	g.Go(func() error { return runErr })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// doubts says at the start what would be missed only later: the screen does without either.
func doubts(o options, log *slog.Logger) {
	if o.assets != "" {
		if err := writable(o.assets); err != nil {
			log.Warn("tiles are composed at every start: --assets cannot be written", slog.String(logkey.Path, o.assets), slog.Any(logkey.Err, err))
		}
	}
	if o.speech != "" {
		if _, err := exec.LookPath("espeak-ng"); err != nil {
			log.Warn("nothing is spoken: --speech needs espeak-ng", slog.Any(logkey.Err, err))
		}
	}
}

// writable makes the directory if need be, and tries: rights alone do not tell.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".try.*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// tiles says how composed tiles are kept. At another scale than 1 the painter scales them, so they cannot be mapped.
func tiles(o options, d display.Display) screens.Assets {
	if o.scale != 1 {
		return screens.Assets{}
	}
	return screens.Assets{Dir: o.assets, Rotation: o.rotation, Format: d.Format()}
}

// listen serves the web display until ctx ends and returns its URL with the token.
func listen(ctx context.Context, g *errgroup.Group, page *web.Display, addr string) (string, error) {
	l, err := localhttp.Listen(addr, "--http")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: page.Handler(), ReadHeaderTimeout: 5 * time.Second}
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve web display: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		_ = page.Close() // ends the streams, so that Shutdown does not wait for them
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(end) != nil {
			_ = srv.Close()
		}
		return nil
	})
	return page.URL("http://" + l.Addr().String()), nil
}

// How often the agent is told that the screen draws, and how soon again when it does not answer.
const (
	aliveEvery = 10 * time.Second
	aliveRetry = 500 * time.Millisecond
)

// alive tells the agent that frames are drawn, from the first frame on: an agent that restarts hears it again.
func alive(ctx context.Context, c *api.Client, drawn <-chan struct{}, log *slog.Logger) error {
	select {
	case <-drawn:
	case <-ctx.Done():
		return nil
	}
	for {
		wait := aliveEvery
		if err := c.UIAlive(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			log.Debug("tell the agent that the screen draws", slog.Any(logkey.Err, err))
			wait = aliveRetry
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}
