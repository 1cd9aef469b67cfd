package screens

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// languagePage lets a person choose the language, each called by its own name.
type languagePage struct {
	ui   *UI
	root *fyne.Container
	from func() page // where it was opened, drawn anew
}

func newLanguage(u *UI, from func() page) *languagePage {
	p := &languagePage{ui: u, root: container.NewWithoutLayout(), from: from}
	p.build()
	return p
}

func (p *languagePage) name() string               { return "language" }
func (p *languagePage) again() page                { return newLanguage(p.ui, p.from) }
func (p *languagePage) content() fyne.CanvasObject { return p.root }
func (p *languagePage) update(bool)                {}

// choose speaks the language on the page from which this one was opened.
func (p *languagePage) choose(tag string) {
	u := p.ui
	u.styles.language = tag
	if b := u.bookOf(tag); b != nil {
		u.SetWords(b)
	}
	u.show(p.from())
}

// build lays the languages out in the lower part of the screen, in one column or, when they are many or the panel is
// wide, in two.
func (p *languagePage) build() {
	u, g := p.ui, p.ui.Geo
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	margin, gap, h, px, width := 40.0, 16.0, 128.0, 44.0, float64(g.W)/g.K-80
	title := u.At(104, .94, theme.Display, -.015)
	if g.Wide {
		margin, gap, h, px, width = 20, 10, 76, 26, float64(g.W)/g.K-40
		title = u.At(48, .94, theme.Display, -.015)
	}
	lines, fit := art.FitName(u.Fonts, u.T("language.title"), title, g.S(width), title.PX*2.2, g.S(28), 2)
	title.PX = fit
	at := g.Y(margin * 1.5)
	for i, l := range lines {
		t := s.Text(l, g.S(margin), at+float64(i)*title.PX*title.Line, title, art.Left)
		if i == 0 {
			s.Sign("language.title", u.T("language.title"), t)
		}
	}
	langs := u.offered()
	cols := 1
	if g.Wide || len(langs) > 8 {
		cols = 2
	}
	rows := (len(langs) + cols - 1) / cols
	w := (g.S(width) - float64(cols-1)*g.S(gap)) / float64(cols)
	key := sheet.ButtonStyle{H: max(g.I(h), g.MM(15)), Radius: g.S(h * .28), PX: u.At(px, 1, theme.Text, 0).PX, IconPX: g.S(px), Gap: g.I(px * .5), Width: int(w)}
	step := float64(key.H) + g.S(gap)
	bottom := g.B(margin)
	top := bottom - float64(rows)*step - float64(u.backH())
	for i, l := range langs {
		st := key
		st.Fill, st.FG = u.Roles.Surface, u.Roles.Ink
		if l.Tag == u.Words.Tag() {
			st.Fill, st.FG, st.Icon = u.Roles.Active, u.Roles.OnActive, "check"
		}
		c := s.Button("language."+l.Tag, sheet.RoleSwitch, l.Name, st, int(g.S(margin)+float64(i%cols)*(w+g.S(gap))), int(top+float64(i/cols)*step), func() { p.choose(l.Tag) })
		c.Value = onOff(l.Tag == u.Words.Tag())
	}
	u.backKey(s, func() { u.show(p.from()) })
	s.Fill(p.root)
}
