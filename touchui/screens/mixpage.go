package screens

import (
	"fmt"
	"strings"

	"fountain/agent/beverage"
	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// mixPage shows the mix in columns and its drink as one beverage to the pourPage it stands on.
type mixPage struct {
	ui   *UI
	pour *pourPage
	mix  *mixing
}

var _ chooser = (*mixPage)(nil)

func newMixPage(u *UI) *pourPage {
	if u.mix == nil {
		u.mix = &mixing{}
	}
	if len(u.mix.cols) == 0 {
		u.mix.cols = startMix(u)
	}
	m := &mixPage{ui: u, mix: u.mix}
	return newChosen(u, m.drink(), m, func(p *pourPage) { m.pour = p })
}

// drink is the mix as an offer of a brand of its own.
func (p *mixPage) drink() Offer {
	u := p.ui
	m, err := beverage.Mix(u.cat, p.mix.parts())
	if err != nil {
		return Offer{}
	}
	m.ID = beverage.MixID
	var names []string
	most := p.mix.cols[0]
	for _, c := range p.mix.cols {
		if c.share == 0 {
			continue
		}
		names = append(names, c.offer.Beverage.Name)
		if c.share > most.share {
			most = c
		}
	}
	m.Name = strings.Join(names, ", ")
	return Offer{Brand: &beverage.Brand{ID: "mix", Name: u.T("mix.title"), Palette: most.offer.Brand.Palette}, Beverage: &m}
}

func (p *mixPage) name() string { return "mix" }

func (p *mixPage) state() string { return fmt.Sprint(p.mix.parts()) }

func (p *mixPage) more() bool {
	for _, c := range p.mix.cols {
		if o, ok := p.ui.menu.Offer(c.offer.Beverage.ID); c.share > 0 && (!ok || !o.Pourable()) {
			return false
		}
	}
	return true
}

func (p *mixPage) menuChanged() {}

func (p *mixPage) back() { p.ui.goHome() }

func (p *mixPage) again(*pourPage) page { return newMixPage(p.ui) }

func (p *mixPage) lay(s *sheet.Sheet) {
	u, g := p.ui, p.ui.Geo
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	t := s.Text(u.T("mix.title"), g.X(40), g.Y(106), g.At(92, 1, theme.Display, -.015), art.Left)
	s.Sign("mix.title", u.T("mix.title"), t)
	s.Add(p.pour.dome)
	p.pour.satellites(s, int(g.B(444)+.5), 112, 30, 44, u.Roles.Sunk, u.Roles.Ink)
}
