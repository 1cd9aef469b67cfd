package kiosk

import (
	"errors"
	"net/url"
	"sync"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"fountain/touchui/kiosk/paint"
)

// fyneApp is what fyne.CurrentApp returns. Preferences, storage and clipboard are those of Fyne's in-memory app, which
// also measures text and clears Fyne's font caches for us.
type fyneApp struct {
	fyne.App
	app      *App
	driver   *driver
	settings *settings
	life     lifecycle
}

func newFyneApp(a *App, base fyne.App) *fyneApp {
	f := &fyneApp{App: base, app: a}
	f.driver = &driver{app: a, text: base.Driver()}
	f.settings = &settings{app: a, base: base.Settings()}
	return f
}

func (f *fyneApp) Driver() fyne.Driver                 { return f.driver }
func (f *fyneApp) NewWindow(string) fyne.Window        { return f.app.window }
func (f *fyneApp) Settings() fyne.Settings             { return f.settings }
func (f *fyneApp) Lifecycle() fyne.Lifecycle           { return &f.life }
func (f *fyneApp) UniqueID() string                    { return "fountain.ui" }
func (f *fyneApp) Quit()                               { f.app.Quit() }
func (f *fyneApp) OpenURL(*url.URL) error              { return errors.New("open URL: this screen has no browser") }
func (f *fyneApp) SendNotification(*fyne.Notification) {}

// Run is Fyne's entry; the command uses App.Run, which takes a context.
func (f *fyneApp) Run() { f.driver.Run() }

// Metadata tells Fyne that we call fyne.Do where we must, so that it does not check goroutines on every call.
func (f *fyneApp) Metadata() fyne.AppMetadata {
	return fyne.AppMetadata{ID: "fountain.ui", Name: "Fountain", Release: true, Migrations: map[string]bool{"fyneDo": true}}
}

type settings struct {
	app     *App
	base    fyne.Settings
	variant fyne.ThemeVariant

	mu        sync.Mutex
	listeners []func(fyne.Settings)
	chans     []chan fyne.Settings
}

func (s *settings) Theme() fyne.Theme               { return s.base.Theme() }
func (s *settings) SetTheme(t fyne.Theme)           { s.set(t, s.variant) }
func (s *settings) ThemeVariant() fyne.ThemeVariant { return s.variant }
func (s *settings) Scale() float32                  { return s.app.scale }
func (s *settings) PrimaryColor() string            { return theme.ColorBlue }
func (s *settings) BuildType() fyne.BuildType       { return fyne.BuildRelease }
func (s *settings) ShowAnimations() bool            { return !s.app.cfg.Reduced }

func (s *settings) AddListener(f func(fyne.Settings)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, f)
}

func (s *settings) AddChangeListener(c chan fyne.Settings) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chans = append(s.chans, c)
}

func (s *settings) set(t fyne.Theme, v fyne.ThemeVariant) {
	s.variant = v
	s.base.SetTheme(t) // clears Fyne's caches of fonts, text sizes and icons
	s.app.painter.SetBackground(t.Color(theme.ColorNameBackground, v))
	s.app.painter.DropTextures()
	for _, root := range s.app.canvas.layers() {
		applyTheme(root)
	}
	s.app.canvas.SetDirty()
	s.mu.Lock()
	fs, cs := s.listeners, s.chans
	s.mu.Unlock()
	for _, f := range fs {
		f(s)
	}
	for _, c := range cs {
		select {
		case c <- s:
		default: // a listener that does not listen must not stop the screen
		}
	}
}

// applyTheme lays out and refreshes o and everything below it: text may have another size now.
func applyTheme(o fyne.CanvasObject) {
	if o == nil {
		return
	}
	kids, _ := paint.Children(o)
	for _, k := range kids {
		applyTheme(k)
	}
	if c, ok := o.(*fyne.Container); ok && c.Layout != nil {
		c.Layout.Layout(c.Objects, c.Size())
	}
	o.Refresh()
}

type lifecycle struct {
	onStarted, onStopped func()
}

func (l *lifecycle) SetOnEnteredForeground(func()) {} // a kiosk is always in the foreground
func (l *lifecycle) SetOnExitedForeground(func())  {}
func (l *lifecycle) SetOnStarted(f func())         { l.onStarted = f }
func (l *lifecycle) SetOnStopped(f func())         { l.onStopped = f }

func (l *lifecycle) started() {
	if l.onStarted != nil {
		l.onStarted()
	}
}

func (l *lifecycle) stopped() {
	if l.onStopped != nil {
		l.onStopped()
	}
}

// device says that there are fingers and no keyboard. Fyne's scrollers follow a finger only when IsMobile is true.
type device struct{ app *App }

func (d device) Orientation() fyne.DeviceOrientation {
	if s := d.app.canvas.size; s.Width > s.Height {
		return fyne.OrientationHorizontalLeft
	}
	return fyne.OrientationVertical
}

func (device) IsMobile() bool                             { return true }
func (device) IsBrowser() bool                            { return false }
func (device) HasKeyboard() bool                          { return false }
func (d device) SystemScaleForWindow(fyne.Window) float32 { return d.app.scale }
func (d device) Locale() fyne.Locale                      { return d.app.cfg.Locale }

// doubleTap is the longest time between two taps that are one double tap.
const doubleTap = 300 * time.Millisecond
