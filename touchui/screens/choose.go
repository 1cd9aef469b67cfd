package screens

import (
	"fmt"
	"image"
	"image/color"

	"fountain/agent/api"
	"fountain/touchui/screens/art"
	"fountain/touchui/theme"
)

// nameLines breaks the beverage's name so that it is as large as it goes.
func (p *pourPage) nameLines(cut theme.Cut, width, height, maxPX, line float64) ([]string, theme.Size) {
	sz := theme.Size{PX: maxPX, Line: line, Cut: cut, Track: -.015}
	lines, px := art.FitName(p.ui.fonts, p.offer.Beverage.Name, sz, width, height, 12, 3)
	sz.PX = px
	return lines, sz
}

func (p *pourPage) chooseTall(s *sheet) {
	u, g, v := p.ui, p.ui.g, p.offer.Beverage
	s.bg, s.ink = p.c.Primary, p.c.Ink
	s.box(0, 0, g.w, g.h, p.c.Primary)
	s.pic(u.hero(p.offer.Brand, g.w, g.i(420)), 0, 0)
	s.text(p.offer.Brand.Name, g.x(44), g.y(452), g.at(40, 1, theme.Text, 0), art.Left)
	lines, sz := p.nameLines(theme.Display, g.s(1000), g.s(372), g.s(208), .86)
	for i, l := range lines {
		t := s.text(l, g.x(40), g.y(500)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.sign("beverage.title", v.Name, t)
		}
	}
	for i := range u.cups {
		p.plate(s, i, int(g.x(40+float64(i)*339)+.5), g.i(892), 322, 384, g.k)
	}
	p.figures(s, 1306, 339, 60, 32)
	st := g.at(26, 1.3, theme.Sans, 0)
	words := facts(v, p.size())
	if p.trouble() != "" {
		st, words = g.at(34, 1.25, theme.Text, 0), p.trouble()
	}
	ls := art.Wrap(u.fonts, words, st, g.s(1000))
	if len(ls) > 2 && p.trouble() == "" {
		st.PX, st.Line = g.s(24), 1.2
		ls = art.Wrap(u.fonts, words, st, g.s(1000))
	}
	p.sentences(s, ls, g.x(40), g.y(1384), st, words)
	s.add(p.dome)
	p.satellites(s, int(g.b(444)+.5), 112, 30, 44, p.c.Well, p.c.Ink)
}

func (p *pourPage) sentences(s *sheet, ls []string, x, y float64, st theme.Size, words string) {
	id := "beverage.facts"
	if p.trouble() != "" {
		id = "beverage.problem"
	}
	for i, l := range ls {
		t := s.text(l, x, y+float64(i)*st.PX*st.Line, st, art.Left)
		if i == 0 {
			s.sign(id, words, t)
		}
	}
}

// satellites are the pills beside the dome.
func (p *pourPage) satellites(s *sheet, y int, h, px, icon float64, fill, fg color.RGBA) {
	u, g := p.ui, p.ui.g
	st := buttonStyle{h: g.i(h), padL: g.i(h / 4), padR: g.i(h * .3), gap: g.i(h / 8), radius: g.s(h / 2), px: g.s(px), iconPX: g.s(icon), fill: fill, fg: fg}
	st.icon = "back"
	margin := 40.0
	if g.wide {
		margin = 28
	}
	back := s.control(newControl("nav.back", roleButton, "Back", u.button("Back", st), int(g.x(margin)+.5), y, p.back))
	if p.offer.Beverage == nil || p.wanted != nil {
		return
	}
	label, icn, value := "Tap instead", "tap", "off"
	if u.tap {
		label, icn, value = "Hold instead", "hold", "on"
	}
	st.icon = icn
	img := u.button(label, st)
	x := int(g.r(margin)) - img.Rect.Dx()
	if g.wide {
		x = int(back.Position().X+back.Size().Width) + g.i(12)
	}
	c := newControl("beverage.tap", roleSwitch, label, img, x, y, func() {
		u.tap = !u.tap
		p.build()
	})
	c.value = value
	s.control(c)
}

// cupHeights are the drawn heights of the largest cups, small to large; api promises at most three sizes.
var cupHeights = [api.MaxSizes]float64{164, 198, 240}

// plate is one cup size.
func (p *pourPage) plate(s *sheet, i, x, y int, w, h, k float64) {
	u, cup, on := p.ui, p.ui.cups[i], p.ui.cup == i
	pw, ph := int(w*k+.5), int(h*k+.5)
	img := u.compose(func() *image.RGBA {
		fg, liquid := p.c.Ink, p.c.Tint(.45)
		q := art.NewPicture(u.fonts, pw, ph, p.c.Primary)
		if on {
			fg, liquid = p.c.OnSecondary, p.c.Primary
			q.Round(0, 0, float64(pw), float64(ph), theme.RadiusCard*k*h/384, p.c.Secondary)
		} else {
			q.Frame(0, 0, float64(pw), float64(ph), theme.RadiusCard*k*h/384, 4*k*h/384, p.c.Tint(.45))
		}
		f := h / 384 * k
		name := theme.Size{PX: max(36*f, 18*u.g.k), Line: 1.1, Cut: theme.Text}
		ml := theme.Size{PX: max(26*f, 16*u.g.k), Line: 1.1, Cut: theme.Text}
		words := fmt.Sprintf("%d ml · %d fl oz", cup.ML, cup.OZ)
		if u.fonts.Width(words, ml.Cut, ml.PX, 0) > float64(pw)-16*f {
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
	c := newControl("beverage.size."+cup.Key, roleSwitch, fmt.Sprintf("%s, %d ml", cup.Name, cup.ML), img, x, y, func() { p.pick(i) })
	c.value = onOff(on)
	s.control(c)
}

// figures are calories, sugar and caffeine of the chosen cup.
func (p *pourPage) figures(s *sheet, y, step, px, labelPX float64) {
	u, g, v, ml := p.ui, p.ui.g, p.offer.Beverage, p.size().ML
	x0 := 44.0
	if g.wide {
		x0 = 28
	}
	for i, f := range [3][2]string{
		{fmt.Sprint(kcal(v, ml)), "kcal"}, {fmt.Sprintf("%d g", sugarG(v, ml)), "sugar"}, {fmt.Sprintf("%d mg", caffeineMG(v, ml)), "caffeine"},
	} {
		x := g.x(x0 + float64(i)*step)
		num := g.at(px, 1, theme.Display, -.015)
		w := u.fonts.Width(f[0], num.Cut, num.PX, num.Track)
		t := s.text(f[0], x, g.y(y), num, art.Left)
		lab := g.at(labelPX, 1, theme.Text, 0)
		// one baseline
		dy := u.fonts.Baseline(num.Cut, num.PX, 1) - u.fonts.Baseline(lab.Cut, lab.PX, 1)
		s.text(f[1], x+w+g.s(labelPX*.44), g.y(y)+dy, lab, art.Left)
		s.sign("beverage."+f[1], f[0]+" "+f[1], t)
	}
}

// chooseWide is the beverage page of landscape panels.
func (p *pourPage) chooseWide(s *sheet) {
	u, g, v := p.ui, p.ui.g, p.offer.Beverage
	s.bg, s.ink = p.c.Primary, p.c.Ink
	s.box(0, 0, g.w, g.h, p.c.Primary)
	art0 := int(g.s(440))
	s.pic(u.hero(p.offer.Brand, g.w-art0, g.i(300)), art0, 0)
	s.text(p.offer.Brand.Name, g.x(28), g.y(20), g.at(22, 1, theme.Text, 0), art.Left)
	lines, sz := p.nameLines(theme.Condensed, g.s(390), g.s(98), g.s(72), .88)
	for i, l := range lines {
		t := s.text(l, g.x(28), g.y(48)+float64(i)*sz.PX*sz.Line, sz, art.Left)
		if i == 0 {
			s.sign("beverage.title", v.Name, t)
		}
	}
	for i := range u.cups {
		p.plate(s, i, g.i(28+float64(i)*136), g.i(150), 126, 146, g.k)
	}
	p.figures(s, 306, 136, 28, 18)
	st := g.at(18, 1.2, theme.Sans, 0)
	words := facts(v, p.size())
	if p.trouble() != "" {
		st, words = g.at(20, 1.2, theme.Text, 0), p.trouble()
	}
	ls := art.Wrap(u.fonts, words, st, g.s(408))
	if len(ls) > 3 {
		st.PX = g.s(16)
		ls = art.Wrap(u.fonts, words, st, g.s(408))
	}
	p.sentences(s, ls, g.x(28), g.y(340), st, words)
	s.add(p.dome)
	p.satellites(s, int(g.b(68)), 60, 20, 28, p.c.Well, p.c.Ink)
}
