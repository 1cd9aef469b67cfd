package screens

import (
	"image"
	"log/slog"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/internal/logkey"
	"fountain/touchui/art"
	"fountain/touchui/qr"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// code composes a text as a QR code of about side pixels, whole pixels to a module, its quiet zone included. It is dark on
// light in every theme: cameras expect that. nil when it cannot be made.
func (u *UI) code(text string, side int) *image.RGBA {
	modules, err := qr.Encode(text)
	if err != nil {
		u.log.Warn("show a hand-over", slog.Any(logkey.Err, err))
		return nil
	}
	return u.Compose(func() *image.RGBA {
		n := len(modules) + 2*qr.Quiet
		px := max(1, side/n)
		light := theme.Light()
		q := u.Picture(n*px, n*px, light.Surface)
		for y, row := range modules {
			for x, dark := range row {
				if dark {
					q.Box((x+qr.Quiet)*px, (y+qr.Quiet)*px, px, px, light.Ink)
				}
			}
		}
		return q.RGBA
	}, "qr/%s/%d", text, side)
}

// phoneCard adds the code in the upper corner of the home page, to be scanned from where one stands, and returns how wide
// it is. A touch shows it large.
func (p *homePage) phoneCard(s *sheet.Sheet, k float64) float64 {
	u := p.ui
	h := int(168 * k)
	code := u.code(u.snap.Phone, h-int(12*k))
	if code == nil {
		return 0
	}
	w := int(392 * k)
	text := u.T("phone.title")
	img := u.Compose(func() *image.RGBA {
		q := u.Picture(w, h, u.Roles.Surface)
		side := code.Rect.Dx()
		x := w - side - (h-side)/2
		q.Paste(code, x, (h-side)/2)
		sz := theme.Size{PX: u.grown(30) * k, Line: 1.1, Cut: theme.Text}
		lines, px := art.FitName(u.Fonts, text, sz, float64(x)-36*k, float64(h)-32*k, 18*k, 4)
		sz.PX = px
		q.Lines(lines, 24*k, (float64(h)-px*sz.Line*float64(len(lines)))/2, art.Style{Size: sz, Color: u.Roles.Ink}, art.Left)
		if u.Roles.Plain {
			q.Frame(0, 0, float64(w), float64(h), theme.RadiusPlain*k, theme.LinePlain*k, u.Roles.Line)
			return q.RGBA
		}
		return q.Corners(theme.RadiusTile*k, u.Roles.BG).RGBA
	}, "phone/%s/%d", u.snap.Phone, w)
	c := s.Control(sheet.NewControl("home.phone", sheet.RoleButton, text, img, u.Geo.W-int(40*k)-w, int(40*k), func() { u.show(newPhone(u)) }))
	c.Radius = float32(theme.RadiusTile * k)
	return float64(w) + 24*k
}

// phonePage hands over to a phone: a large code and what to do with it.
type phonePage struct {
	ui   *UI
	root *fyne.Container
}

func newPhone(u *UI) *phonePage {
	p := &phonePage{ui: u, root: container.NewWithoutLayout()}
	p.build()
	return p
}

func (p *phonePage) name() string               { return "phone" }
func (p *phonePage) again() page                { return newPhone(p.ui) }
func (p *phonePage) content() fyne.CanvasObject { return p.root }

func (p *phonePage) update(bool) {
	if p.ui.snap.Phone == "" {
		p.ui.goHome()
	}
}

func (p *phonePage) build() {
	u, g := p.ui, p.ui.Geo
	s := u.Sheet(u.Roles.BG, u.Roles.Ink)
	s.Box(0, 0, g.W, g.H, u.Roles.BG)
	x, y, width, side := 40.0, 60.0, float64(g.W)/g.K-80, 760.0
	titleSize, st := u.At(104, .94, theme.Display, -.015), u.At(34, 1.35, theme.Text, 0)
	if g.Wide {
		x, y, side = 28, 28, float64(g.H)/g.K-56
		width = float64(g.W)/g.K - side - 84
		titleSize, st = u.At(48, .96, theme.Display, -.015), u.At(22, 1.3, theme.Text, 0)
	}
	title, text := u.T("phone.title"), u.T("phone.text")
	lines, px := art.FitName(u.Fonts, title, titleSize, g.S(width), titleSize.PX*2.9, g.S(24), 3)
	titleSize.PX = px
	at := g.Y(y)
	for i, l := range lines {
		t := s.Text(l, g.S(x), at, titleSize, art.Left)
		if i == 0 {
			s.Sign("phone.title", title, t)
		}
		at += px * titleSize.Line
	}
	at += st.PX * .7
	for i, l := range art.Wrap(u.Fonts, text, st, g.S(width)) {
		t := s.Text(l, g.S(x), at, st, art.Left)
		if i == 0 {
			s.Sign("phone.text", text, t)
		}
		at += st.PX * st.Line
	}
	if code := u.code(u.snap.Phone, g.I(side)); code != nil {
		cx, cy := (g.W-code.Rect.Dx())/2, int((at+g.B(200)-float64(code.Rect.Dy()))/2)
		if g.Wide {
			cx, cy = g.W-code.Rect.Dx()-g.I(28), (g.H-code.Rect.Dy())/2
		}
		s.Sign("phone.code", title+": "+u.snap.Phone, s.Pic(code, cx, cy))
	}
	u.backKey(s, func() { u.goHome() })
	s.Fill(p.root)
}

// backKey adds the way back in the lower corner where reading starts.
func (u *UI) backKey(s *sheet.Sheet, tap func()) *sheet.Control {
	g := u.Geo
	x, px := 40.0, 30.0
	if g.Wide {
		x, px = 20, 20
	}
	h := u.backH()
	st := sheet.ButtonStyle{H: h, PadL: h / 4, PadR: h * 3 / 10, Gap: h / 8, Radius: float64(h) / 2, PX: u.At(px, 1, theme.Text, 0).PX, IconPX: g.S(px * 1.45), Icon: "back", Fill: u.Roles.Sunk, FG: u.Roles.Ink}
	return s.Button("nav.back", sheet.RoleButton, u.T("nav.back"), st, int(g.S(x)), int(g.B(x))-h, tap)
}

func (u *UI) backH() int {
	if u.Geo.Wide {
		return max(u.Geo.I(60), u.Geo.MM(15))
	}
	return max(u.Geo.I(112), u.Geo.MM(15))
}
