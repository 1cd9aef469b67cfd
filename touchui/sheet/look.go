// Package sheet is what pages are made of: a Look (theme, type, words, geometry, composed pictures), a Sheet that pictures
// and controls are laid on, and Control, everything a person can touch or find but the dome. It may import touchui/art,
// theme, words and kiosk; it knows no page and no agent.
//
//	Look ─Sheet()─► Sheet ─Text, Pic, Box, Control─► Container ─► kiosk
//	  └─Compose──► art.Picture, cached
//
// A Look belongs to the Fyne thread; Compose may also be called from a goroutine that composes ahead. Pages say left and
// right as in a language that is written from left to right: the Sheet turns a page of the other direction around.
package sheet

import (
	"fmt"
	"image"
	"image/color"

	"fountain/agent/beverage"
	"fountain/touchui/art"
	"fountain/touchui/theme"
	"fountain/touchui/words"
)

// Look is how everything looks and speaks.
type Look struct {
	Geo   Geo
	Fonts *theme.Fonts
	Theme theme.Theme
	Roles theme.Roles // of Theme
	Words *words.Book
	Cache *art.Cache
	Large bool // large text
	Still bool // reduced motion
	Units Units
	// Ready returns a picture that was composed at an earlier time for this very look, or nil. Optional.
	Ready  func(key string) image.Image
	stamps int
}

// Units says how volumes are written.
type Units = words.Units

// Units of volume on the screen.
const (
	Millilitres = words.Millilitres
	FluidOunces = words.FluidOunces
	BothUnits   = words.BothUnits
)

// New is the standard look of a panel: the light theme, English.
func New(geo Geo, fonts *theme.Fonts, book *words.Book, cacheBytes int) *Look {
	l := &Look{Geo: geo, Fonts: fonts, Words: book, Cache: art.NewCache(cacheBytes), Units: BothUnits}
	l.SetTheme(theme.LightTheme())
	return l
}

// SetTheme changes the colours; every composed picture is made again when it is next shown.
func (l *Look) SetTheme(t theme.Theme) {
	l.Theme, l.Roles = t, t.Roles
	l.Changed()
}

// SetWords changes the language.
func (l *Look) SetWords(b *words.Book) {
	l.Words = b
	l.Fonts = l.Fonts.For(b.Tag(), b.RTL())
	l.Changed()
}

// Changed forgets every composed picture: something that all of them depend on is different.
func (l *Look) Changed() {
	l.stamps++
	l.Ready = nil
	l.Cache.Clear()
}

// T is a phrase in the language of the screen; args are names and values of its placeholders in turn.
func (l *Look) T(key string, args ...any) string { return l.Words.T(key, args...) }

// N is a phrase with a number, in the plural form the language wants; {n} stands for the number.
func (l *Look) N(key string, n int, args ...any) string { return l.Words.N(key, n, args...) }

// RTL reports whether the language is written from right to left.
func (l *Look) RTL() bool { return l.Words.RTL() }

// At is a size of type on this panel: px as drawn, larger with large text and high contrast (theme.Grown).
func (l *Look) At(px, line float64, cut theme.Cut, track float64) theme.Size {
	return l.Geo.At(theme.Grown(px, l.Large, l.Theme.HighContrast), line, cut, track)
}

// Type is the type scale of this panel, larger with large text and high contrast.
func (l *Look) Type() theme.Type {
	w, h := 1080, 1920
	if l.Geo.Wide {
		w, h = 800, 480
	}
	t := theme.TypeFor(w, h).Grown(l.Large, l.Theme.HighContrast)
	for _, sz := range []*theme.Size{&t.Mega, &t.Poster, &t.Title, &t.Heading, &t.Name, &t.Body, &t.Label, &t.Small} {
		sz.PX *= l.Geo.K
	}
	return t
}

// Colours are a brand's, or the theme's own in high contrast.
func (l *Look) Colours(p beverage.Palette) art.Colours { return art.ColoursIn(p, l.Roles) }

// Volume writes ml millilitres in the language and units of the screen.
func (l *Look) Volume(ml int) string { return l.Words.Volume(ml, l.Units) }

// Compose caches a picture under a key.
func (l *Look) Compose(make func() *image.RGBA, key string, args ...any) *image.RGBA {
	return l.Cache.Get(fmt.Sprintf("%d/", l.stamps)+fmt.Sprintf(key, args...), make)
}

// Composed is Compose for pictures that may lie ready in an asset pack: opaque ones that every start needs, such as the
// tiles of the wall. Their keys say everything but what holds for the whole look.
func (l *Look) Composed(make func() *image.RGBA, key string, args ...any) image.Image {
	if l.Ready != nil {
		if img := l.Ready(fmt.Sprintf(key, args...)); img != nil {
			return img
		}
	}
	return l.Compose(make, key, args...)
}

// Picture is an empty picture filled with bg.
func (l *Look) Picture(w, h int, bg color.RGBA) *art.Picture {
	return art.NewPicture(l.Fonts, w, h, bg)
}

// Label composes a line of text, cached. It has no background: lines are set closer than their ascenders reach.
func (l *Look) Label(t string, st art.Style) (img *image.RGBA, over int) {
	img = l.Compose(func() *image.RGBA {
		p, _ := art.Label(l.Fonts, t, st)
		return p.RGBA
	}, "label/%v/%s", st, t)
	return img, int(st.PX * .2)
}
