package screens

import (
	"fountain/touchui/art"
)

// look sets the dome for the state of the pour.
func (p *pourPage) look() {
	if p.offer.Beverage == nil {
		return
	}
	st, value, disabled := p.domeStyle()
	p.dome.look(st, value, disabled)
}

// domeStyle is what the dome says, its value for tests and speech, and whether it does nothing.
func (p *pourPage) domeStyle() (st art.DomeStyle, value string, disabled bool) {
	u, w, cup := p.ui, p.ui.Words, p.size()
	by := func(hold, tap string) string { // the words for a finger that holds, or taps
		if u.tap {
			return w.T(tap)
		}
		return w.T(hold)
	}
	st = art.DomeStyle{Label: by("dome.hold", "dome.tap"), Sub: w.T("size.of", "size", cup.Name(w), "volume", oneUnit(p.l, cup.ML)), BG: p.c.Ink, FG: p.c.Primary, Icon: "hold", LabelPX: 72}
	if p.wanted != nil && p.flow == nil && !p.c.Plain {
		st.BG, st.FG = p.c.Primary, p.c.Ink
	}
	if p.wanted != nil && p.flow == nil {
		st.Sub = p.offer.Brand.Name + " " + drinkName(w, p.offer)
	}
	if p.c.Plain {
		st.BG, st.FG = u.Roles.Go, u.Roles.OnGo
	}
	if u.tap {
		st.Icon = "tap"
	}
	if p.own != nil && p.flow == nil {
		p.own.pad(&st)
	}
	outline := func(label, sub string) {
		st.Label, st.Sub, st.Icon, st.Outline, st.BG, st.FG = label, sub, "", true, p.c.Primary, p.c.Ink
	}
	switch {
	case p.active() && (u.pour.state == ending || u.pour.released):
		outline(w.T("dome.wait"), w.T("dome.wait.drops"))
		return st, "settling", true
	case p.active() && u.pour.state == paused && u.pour.portion && u.snap.Cup:
		st.Label, st.Sub = w.T("dome.on_tap"), w.T("dome.paused")
		return st, "paused", false
	case p.active() && u.pour.state == paused && u.pour.portion:
		outline(w.T("dome.paused"), w.T("dome.paused.tap"))
		return st, "paused", false
	case p.active() && u.pour.state == paused:
		outline(w.T("dome.paused"), w.T("dome.paused.hold"))
		return st, "paused", false
	case p.active() && u.pour.rinsing:
		outline(w.T("dome.rinsing"), by("dome.rinsing.hold", "dome.rinsing.tap"))
		return st, "rinsing", false
	case p.active():
		return p.pressed(st), "pouring", false
	case p.done():
		value, disabled = p.domeAfter(&st, outline, by)
		return st, value, disabled
	case p.trouble() != "" && u.pour.rinseRan:
		outline(w.T("dome.rinsing"), w.T("dome.rinsing.tap"))
		return st, "rinsing", true
	}
	return st, "ready", false
}

// pressed is st under a finger that pours.
func (p *pourPage) pressed(st art.DomeStyle) art.DomeStyle {
	key := "dome.release"
	if p.ui.tap {
		key = "dome.stop_tap"
	}
	st.Pressed, st.Label, st.Sub = true, p.ui.T(key), p.ui.T("dome.pouring")
	return st
}

// domeAfter is the dome after a pour.
func (p *pourPage) domeAfter(st *art.DomeStyle, outline func(label, sub string), by func(hold, tap string) string) (value string, disabled bool) {
	w, v := p.ui.Words, p.serving()
	switch {
	case p.untold():
		outline(w.T("dome.wait"), w.T("dome.wait.drops"))
		return "settling", true
	case v.state == settling:
		outline(w.T("dome.wait"), w.T("dome.wait.stays"))
		return "foam", true
	case v.state == last:
		key := "dome.last"
		if p.ui.tap {
			key = "dome.last_tap"
		}
		st.Label = w.T(key, "volume", oneUnit(p.l, int(v.ul/1000)))
		return "ready", false
	case v.state == room:
		st.Label, st.Sub = by("dome.more", "dome.more_tap"), w.T("dome.room", "volume", oneUnit(p.l, int(v.ul/1000)))
		return "ready", false
	case (v.state == taken || v.state == over) && v.ul > 0:
		outline(w.T("dome.enjoy"), w.T("dome.put_back"))
		return "taken", true
	case !p.more():
		outline(w.T("dome.enjoy"), w.T("dome.gone"))
		return "gone", true
	}
	outline(w.T("dome.enjoy"), w.T("dome.full"))
	return "full", true
}
