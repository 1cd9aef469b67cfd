package screens

import (
	"log/slog"
	"slices"
	"strings"

	"fountain/internal/logkey"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
	"fountain/touchui/words"
)

// textMode is how large and how plain everything is drawn; Aa goes through them.
type textMode int

const (
	textNormal textMode = iota
	textLarge
	textContrast
	textModes
)

// word is the key of what a mode is called.
func (m textMode) word() string {
	return [...]string{textNormal: "home.text.normal", textLarge: "home.text.large", textContrast: "home.text.contrast"}[m]
}

// styles is what a person chose of how the screen looks and speaks. The idle return forgets it.
type styles struct {
	text     textMode
	language string       // "" : nobody chose, the unit's own
	campaign *theme.Theme // of the house; nil: no campaign

	all []words.Language // there are; read once
}

// nextText goes on to the next text mode; the page and what was chosen on it stay.
func (u *UI) nextText() { u.setText((u.styles.text + 1) % textModes) }

func (u *UI) setText(m textMode) {
	u.styles.text = m
	u.Restyle(func(l *sheet.Look) { u.dress(l) })
}

// dress gives l the theme of the house and of the text mode.
func (u *UI) dress(l *sheet.Look) {
	l.Large = u.styles.text == textLarge
	switch {
	case u.styles.text == textContrast:
		l.SetTheme(theme.HighContrastTheme())
	case u.styles.campaign != nil:
		l.SetTheme(*u.styles.campaign)
	default:
		l.SetTheme(theme.LightTheme())
	}
}

// SetCampaign shows a campaign's theme, or with nil the house's own. Fyne thread.
func (u *UI) SetCampaign(t *theme.Theme) {
	u.styles.campaign = t
	u.Restyle(u.dress)
}

// offered lists the languages a person can choose here, in the unit's order.
func (u *UI) offered() []words.Language {
	if u.styles.all == nil {
		u.styles.all = u.Words.Languages()
	}
	all := u.styles.all
	if len(u.snap.Languages) == 0 {
		return all
	}
	var out []words.Language
	for _, tag := range u.snap.Languages {
		if i := slices.IndexFunc(all, func(l words.Language) bool { return l.Tag == tag }); i >= 0 {
			out = append(out, all[i])
		}
	}
	return out
}

// setLanguage speaks another language; the page and what was chosen on it stay.
func (u *UI) setLanguage(tag string) {
	u.styles.language = tag
	if b := u.bookOf(tag); b != nil {
		u.Restyle(func(l *sheet.Look) { l.SetWords(b) })
	}
}

// bookOf opens a language unless it is spoken already or cannot be read.
func (u *UI) bookOf(tag string) *words.Book {
	if tag == u.Words.Tag() {
		return nil
	}
	b, err := u.Words.Other(tag)
	if err != nil {
		u.log.Warn("speak another language", slog.Any(logkey.Err, err))
		return nil
	}
	return b
}

// home is the unit's own language: that of its configuration, English until it is known.
func (u *UI) home() string {
	if u.snap.Language != "" {
		return u.snap.Language
	}
	return words.English
}

// plain returns to the unit's own language and text, without drawing the page again: another one follows.
func (u *UI) plain() {
	if u.styles.text != textNormal {
		u.styles.text = textNormal
		u.dress(u.Look)
	}
	u.styles.language = ""
	if b := u.bookOf(u.home()); b != nil {
		u.SetWords(b)
	}
}

// speak follows the unit's configuration: its language, unless a person chose another, and its units. A drink that is
// poured comes first; the next snapshot tries again.
func (u *UI) speak() {
	if u.pour.active() {
		return
	}
	var b *words.Book
	if u.styles.language == "" {
		b = u.bookOf(u.home())
	}
	units := sheet.Units(u.snap.Units)
	if units == "" {
		units = u.Units
	}
	if b == nil && units == u.Units {
		return
	}
	u.Restyle(func(l *sheet.Look) {
		l.Units = units
		if b != nil {
			l.SetWords(b)
		}
	})
}

// tagOf is how a language is called where there is no room: EN.
func tagOf(tag string) string {
	short, _, _ := strings.Cut(tag, "-")
	return strings.ToUpper(short)
}
