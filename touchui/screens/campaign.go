package screens

import (
	"fmt"
	"image"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// A campaign is a theme of the same home page: colours, the level's edge, what stands above the wall and three posters
// change; positions, sizes and the dock do not.

// ridgeLine is a range of hills in a box of 1080 x 88, y down.
var ridgeLine = [...]float64{0, 72, 90, 52, 230, 66, 360, 82, 450, 2, 545, 52, 630, 28, 715, 72, 810, 18, 905, 60, 990, 36, 1080, 72}

// campaign adds the hero and the posters of the theme's campaign and returns where the wall's label begins.
func (p *homePage) campaign(s *sheet.Sheet, k float64) float64 {
	u := p.ui
	hero := u.Theme.Hero
	title := hero.In(hero.Title, u.Words.Tag())
	const ground = 652.0 // of the edge
	img := u.Compose(func() *image.RGBA {
		w, h := u.Geo.W, int((ground+88)*k+.5)
		q := u.Picture(w, h, u.Roles.BG)
		q.Motif(hero.Motif, u.Colours(hero.Palette), image.Rect(0, 0, w, int(float64(w)*.852)), nil)
		p.edge(q, ground*k, k)
		return q.RGBA
	}, "hero/%s/%v", u.Theme.Name, k)
	s.Pic(img, 0, 0)
	s.Box(0, img.Rect.Dy(), u.Geo.W, int(1088*k+.5)-img.Rect.Dy(), u.Roles.Surface) // letters may reach down onto it
	s.Fixed(u.logoAt(s, int(40*k), int(44*k), 46*k))                                // the picture is drawn around it
	sz := theme.Size{PX: 176 * k, Line: .94, Cut: theme.Display, Track: -.02}
	lines, px := art.FitName(u.Fonts, title, sz, float64(u.Geo.W)-80*k, 200*k, 42*k, 2)
	sz.PX = px
	at := 752*k - float64(len(lines))*px*sz.Line
	for i, l := range lines {
		t := s.Text(l, 40*k, at+float64(i)*px*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("home.title", title, t)
		}
	}
	for i, poster := range u.Theme.Posters {
		x := int((40 + float64(i)*339) * k)
		p.poster(s, i, poster, x, int(782*k+.5), int(322*k+.5), int(275*k+.5), k)
	}
	return 1096
}

// edge draws the line between sky and ground, the ground down to the lower edge.
func (p *homePage) edge(q *art.Picture, y, k float64) {
	u := p.ui
	w, h := q.Rect.Dx(), q.Rect.Dy()
	if u.Theme.LevelEdge != theme.Ridge {
		q.Wave(0, y, float64(w), 48*k, art.WavePeriod*k, u.Roles.Surface)
		q.Box(0, int(y+47*k), w, h, u.Roles.Surface)
		return
	}
	wide := float64(w) / 1080
	line := (&art.Path{}).Move(0, float64(h))
	for i := 0; i < len(ridgeLine); i += 2 {
		line.Line(ridgeLine[i]*wide, y+ridgeLine[i+1]*k)
	}
	q.Fill(line.Line(float64(w), float64(h)).Close(), u.Roles.Surface)
}

// poster is a picture that leads to a beverage; one whose beverage cannot be had is left out.
func (p *homePage) poster(s *sheet.Sheet, i int, poster theme.Poster, x, y, w, h int, k float64) {
	u := p.ui
	o, ok := u.menu.Offer(poster.Beverage)
	if !ok || !o.Pourable() {
		return
	}
	title, note := poster.In(poster.Title, u.Words.Tag()), poster.In(poster.Note, u.Words.Tag())
	if note == "" {
		note = u.Words.Name(o.Beverage.Name)
	}
	img := u.Compose(func() *image.RGBA {
		c := u.Colours(poster.Palette)
		q := u.Picture(w, h, c.Primary)
		pad := float64(w) * .08
		note, notePX := note, u.grown(26)*k
		if least := notePX * .8; u.Fonts.Width(note, theme.Sans, least, 0) > float64(w)-2*pad {
			note = "" // rather nothing than a word that is cut
		} else {
			notePX = u.Fonts.Fit([]string{note}, theme.Sans, 0, float64(w)-2*pad, notePX, least)
		}
		foot := float64(h) - pad*.8 - notePX
		sz := theme.Size{PX: float64(h) * .23, Line: .95, Cut: theme.Condensed, Track: -.015}
		lines, px := art.FitName(u.Fonts, title, sz, float64(w)-2*pad, float64(h)*.42, 16, 2)
		sz.PX = px
		top := foot - notePX*.4 - px*sz.Line*float64(len(lines))
		q.Motif(poster.Motif, c, image.Rect(0, 0, w, int(top)), nil)
		q.Text(note, pad, foot, art.Style{Size: theme.Size{PX: notePX, Line: 1, Cut: theme.Sans}, Color: c.Ink}, art.Left)
		q.Lines(lines, pad, top, art.Style{Size: sz, Color: c.Ink}, art.Left)
		return q.Corners(theme.RadiusTile*k, u.Roles.Surface).RGBA
	}, "poster/%s/%d/%d", u.Theme.Name, i, w)
	c := s.Control(sheet.NewControl(fmt.Sprintf("home.poster.%d", i), sheet.RoleTile, title+", "+u.called(o), img, x, y, func() { u.open(o.Beverage.ID) }))
	c.Value, c.Radius = string(o.Beverage.ID), float32(theme.RadiusTile*k)
}

// campaignWide adds the campaign above the wall of a wide panel, main wide, and returns where the wall begins: the title
// on its picture, the posters beside it.
func (p *homePage) campaignWide(s *sheet.Sheet, main int) int {
	u, g := p.ui, p.ui.Geo
	hero := u.Theme.Hero
	title := hero.In(hero.Title, u.Words.Tag())
	w, h := g.I(220), g.I(150)
	img := u.Compose(func() *image.RGBA {
		q := u.Picture(w, h, u.Roles.Surface)
		q.Motif(hero.Motif, u.Colours(hero.Palette), image.Rect(0, 0, w, int(float64(w)*.8)), nil)
		sz := g.At(38, .92, theme.Condensed, -.015)
		lines, px := art.FitName(u.Fonts, title, sz, float64(w)-g.S(28), g.S(70), g.S(20), 2)
		sz.PX = px
		q.Box(0, h-int(px*sz.Line*float64(len(lines)))-g.I(24), w, h, u.Roles.Surface)
		q.Lines(lines, g.S(14), float64(h)-g.S(12)-px*sz.Line*float64(len(lines)), art.Style{Size: sz, Color: u.Roles.Ink}, art.Left)
		return q.Corners(g.S(18), u.Roles.BG).RGBA
	}, "hero/%s/%d", u.Theme.Name, w)
	y := g.I(6)
	s.Sign("home.title", title, s.Pic(img, g.I(20), y))
	x := g.I(20) + w + g.I(10)
	n := len(u.Theme.Posters)
	for i, poster := range u.Theme.Posters {
		pw := (main - g.I(20) - x - g.I(10)*(n-1)) / n
		p.poster(s, i, poster, x+i*(pw+g.I(10)), y, pw, h, g.K*.7)
	}
	return y + h + g.I(12)
}
