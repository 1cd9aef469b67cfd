package screens

import (
	"fmt"
	"image"
	"image/color"

	"fountain/agent/api"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// nameLines breaks the beverage's name so that it is as large as it goes.
func (p *pourPage) nameLines(cut theme.Cut, width, height, maxPX, line float64) ([]string, theme.Size) {
	sz := theme.Size{PX: maxPX, Line: line, Cut: cut, Track: -.015}
	lines, px := art.FitName(p.ui.Fonts, p.offer.Beverage.Name, sz, width, height, 12, 3)
	sz.PX = px
	return lines, sz
}

func (p *pourPage) chooseTall(s *sheet.Sheet) {
	u, g, v := p.ui, p.ui.Geo, p.offer.Beverage
	s.BG, s.Ink = p.c.Primary, p.c.Ink
	s.Box(0, 0, g.W, g.H, p.c.Primary)
	s.Pic(u.hero(p.offer.Brand, g.W, g.I(420)), 0, 0)
	s.Text(p.offer.Brand.Name, g.X(44), g.Y(452), g.At(40, 1, theme.Text, 0), art.Left)
	lines, sz := p.nameLines(theme.Display, g.S(1000), g.S(372), g.S(208), .86)
	for i, l := range lines {
		t := s.Text(l, g.X(40), g.Y(500)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("beverage.title", v.Name, t)
		}
	}
	for i := range u.cups {
		p.plate(s, i, int(g.X(40+float64(i)*339)+.5), g.I(892), 322, 384, g.K)
	}
	p.figures(s, 1306, 339, 60, 32)
	st := g.At(26, 1.3, theme.Sans, 0)
	words := facts(v, p.size())
	if p.trouble() != "" {
		st, words = g.At(34, 1.25, theme.Text, 0), p.trouble()
	}
	ls := art.Wrap(u.Fonts, words, st, g.S(1000))
	if len(ls) > 2 && p.trouble() == "" {
		st.PX, st.Line = g.S(24), 1.2
		ls = art.Wrap(u.Fonts, words, st, g.S(1000))
	}
	p.sentences(s, ls, g.X(40), g.Y(1384), st, words)
	s.Add(p.dome)
	p.satellites(s, int(g.B(444)+.5), 112, 30, 44, p.c.Well, p.c.Ink)
}

func (p *pourPage) sentences(s *sheet.Sheet, ls []string, x, y float64, st theme.Size, words string) {
	id := "beverage.facts"
	if p.trouble() != "" {
		id = "beverage.problem"
	}
	for i, l := range ls {
		t := s.Text(l, x, y+float64(i)*st.PX*st.Line, st, art.Left)
		if i == 0 {
			s.Sign(id, words, t)
		}
	}
}

// satellites are the pills beside the dome.
func (p *pourPage) satellites(s *sheet.Sheet, y int, h, px, icon float64, fill, fg color.RGBA) {
	u, g := p.ui, p.ui.Geo
	st := sheet.ButtonStyle{H: g.I(h), PadL: g.I(h / 4), PadR: g.I(h * .3), Gap: g.I(h / 8), Radius: g.S(h / 2), PX: g.S(px), IconPX: g.S(icon), Fill: fill, FG: fg}
	st.Icon = "back"
	margin := 40.0
	if g.Wide {
		margin = 28
	}
	back := s.Control(sheet.NewControl("nav.back", sheet.RoleButton, "Back", u.Look.Button("Back", st), int(g.X(margin)+.5), y, p.back))
	if p.offer.Beverage == nil || p.wanted != nil {
		return
	}
	label, icn, value := "Tap instead", "tap", "off"
	if u.tap {
		label, icn, value = "Hold instead", "hold", "on"
	}
	st.Icon = icn
	img := u.Look.Button(label, st)
	x := int(g.R(margin)) - img.Rect.Dx()
	if g.Wide {
		x = int(back.Position().X+back.Size().Width) + g.I(12)
	}
	c := sheet.NewControl("beverage.tap", sheet.RoleSwitch, label, img, x, y, func() {
		u.tap = !u.tap
		p.build()
	})
	c.Value = value
	s.Control(c)
}

// cupHeights are the drawn heights of the largest cups, small to large; api promises at most three sizes.
var cupHeights = [api.MaxSizes]float64{164, 198, 240}

// plate is one cup size.
func (p *pourPage) plate(s *sheet.Sheet, i, x, y int, w, h, k float64) {
	u, cup, on := p.ui, p.ui.cups[i], p.ui.cup == i
	pw, ph := int(w*k+.5), int(h*k+.5)
	img := u.Compose(func() *image.RGBA {
		fg, liquid := p.c.Ink, p.c.Tint(.45)
		q := u.Picture(pw, ph, p.c.Primary)
		if on {
			fg, liquid = p.c.OnSecondary, p.c.Primary
			q.Round(0, 0, float64(pw), float64(ph), theme.RadiusCard*k*h/384, p.c.Secondary)
		} else {
			q.Frame(0, 0, float64(pw), float64(ph), theme.RadiusCard*k*h/384, 4*k*h/384, p.c.Tint(.45))
		}
		f := h / 384 * k
		name := theme.Size{PX: max(36*f, 18*u.Geo.K), Line: 1.1, Cut: theme.Text}
		ml := theme.Size{PX: max(26*f, 16*u.Geo.K), Line: 1.1, Cut: theme.Text}
		words := fmt.Sprintf("%d ml · %d fl oz", cup.ML, cup.OZ)
		if u.Fonts.Width(words, ml.Cut, ml.PX, 0) > float64(pw)-16*f {
			words = fmt.Sprintf("%d ml", cup.ML)
		}
		bottom := float64(ph) - 26*f - ml.PX*1.1
		if !on {
			bottom -= 4 * f
		}
		top := bottom - 4*f - name.PX*1.1
		cf := min(f, (top-30*f)/250) // of the cups: relative to each other they keep their size
		ch := cupHeights[len(cupHeights)-len(u.cups)+i] * cf
		q.Cup((float64(pw)-ch*.66)/2, top-10*f-ch, ch*.66, ch, .86, max(7*cf, 3), 16*cf, liquid, fg)
		q.Text(words, float64(pw)/2, bottom, art.Style{Size: ml, Color: fg}, art.Centre)
		q.Text(cup.Name, float64(pw)/2, top, art.Style{Size: name, Color: fg}, art.Centre)
		if on {
			q.Icon("check", float64(pw)-70*f, 22*f, 48*f, fg)
		}
		return q.RGBA
	}, "plate/%s/%s/%d/%v/%d", p.offer.Brand.ID, cup.Key, cup.ML, on, pw)
	c := sheet.NewControl("beverage.size."+cup.Key, sheet.RoleSwitch, fmt.Sprintf("%s, %d ml", cup.Name, cup.ML), img, x, y, func() { p.pick(i) })
	c.Value = onOff(on)
	s.Control(c)
}

// figures are calories, sugar and caffeine of the chosen cup.
func (p *pourPage) figures(s *sheet.Sheet, y, step, px, labelPX float64) {
	u, g, v, ml := p.ui, p.ui.Geo, p.offer.Beverage, p.size().ML
	x0 := 44.0
	if g.Wide {
		x0 = 28
	}
	for i, f := range [3][2]string{
		{fmt.Sprint(kcal(v, ml)), "kcal"}, {fmt.Sprintf("%d g", sugarG(v, ml)), "sugar"}, {fmt.Sprintf("%d mg", caffeineMG(v, ml)), "caffeine"},
	} {
		x := g.X(x0 + float64(i)*step)
		num := g.At(px, 1, theme.Display, -.015)
		w := u.Fonts.Width(f[0], num.Cut, num.PX, num.Track)
		t := s.Text(f[0], x, g.Y(y), num, art.Left)
		lab := g.At(labelPX, 1, theme.Text, 0)
		// one baseline
		dy := u.Fonts.Baseline(num.Cut, num.PX, 1) - u.Fonts.Baseline(lab.Cut, lab.PX, 1)
		s.Text(f[1], x+w+g.S(labelPX*.44), g.Y(y)+dy, lab, art.Left)
		s.Sign("beverage."+f[1], f[0]+" "+f[1], t)
	}
}

// chooseWide is the beverage page of landscape panels.
func (p *pourPage) chooseWide(s *sheet.Sheet) {
	u, g, v := p.ui, p.ui.Geo, p.offer.Beverage
	s.BG, s.Ink = p.c.Primary, p.c.Ink
	s.Box(0, 0, g.W, g.H, p.c.Primary)
	art0 := int(g.S(440))
	s.Pic(u.hero(p.offer.Brand, g.W-art0, g.I(300)), art0, 0)
	s.Text(p.offer.Brand.Name, g.X(28), g.Y(20), g.At(22, 1, theme.Text, 0), art.Left)
	lines, sz := p.nameLines(theme.Condensed, g.S(390), g.S(98), g.S(72), .88)
	for i, l := range lines {
		t := s.Text(l, g.X(28), g.Y(48)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.Sign("beverage.title", v.Name, t)
		}
	}
	for i := range u.cups {
		p.plate(s, i, g.I(28+float64(i)*136), g.I(150), 126, 146, g.K)
	}
	p.figures(s, 306, 136, 28, 18)
	st := g.At(18, 1.2, theme.Sans, 0)
	words := facts(v, p.size())
	if p.trouble() != "" {
		st, words = g.At(20, 1.2, theme.Text, 0), p.trouble()
	}
	ls := art.Wrap(u.Fonts, words, st, g.S(408))
	if len(ls) > 3 {
		st.PX = g.S(16)
		ls = art.Wrap(u.Fonts, words, st, g.S(408))
	}
	p.sentences(s, ls, g.X(28), g.Y(340), st, words)
	s.Add(p.dome)
	p.satellites(s, int(g.B(68)), 60, 20, 28, p.c.Well, p.c.Ink)
}
