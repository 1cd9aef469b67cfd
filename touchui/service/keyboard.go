package service

import (
	"image"

	"fyne.io/fyne/v2/canvas"

	"fountain/touchui/art"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
)

// keyboard types addresses: lower case letters, digits and what stands in a URL. Its keys keep their places in every
// language, because addresses are written from left to right in all of them.
type keyboard struct {
	s     *Service
	text  string
	most  int
	field *canvas.Image
	at    rect
}

var keyRows = []string{"1234567890", "qwertyuiop", "asdfghjkl-", "zxcvbnm._", ":/@"}

// build adds the field and the keys in r.
func (k *keyboard) build(d *draw, r rect) {
	m := d.m
	k.at = r.top(m.v(110, 50), m.gap)
	k.field = d.Pic(k.picture(d), k.at.x, k.at.y)
	d.Sign("service.keyboard.text", k.text, k.field)
	gap := m.v(10, 6)
	h := min((r.h-(len(keyRows)-1)*gap)/len(keyRows), max(m.v(130, 50), d.Geo.MM(targetMM)))
	for i, row := range keyRows {
		keys := []rune(row)
		cells := rect{r.x, r.y + i*(h+gap), r.w, h}.columns(10, gap)
		for j, c := range keys {
			d.boardKey("service.keyboard."+string(c), string(c), "", k.place(d, cells[j], r), func() { k.type_(string(c)) })
		}
		if i == len(keyRows)-1 {
			wide := cells[len(keys)]
			wide.w = cells[len(cells)-1].x + cells[len(cells)-1].w - wide.x
			for n, part := range wide.columns(2, gap) {
				if n == 0 {
					d.boardKey("service.keyboard.http", "http://", "", k.place(d, part, r), func() { k.type_("http://") })
				} else {
					d.boardKey("service.keyboard.erase", "", keyErase, k.place(d, part, r), k.erase)
				}
			}
		} else if len(keys) < 10 {
			d.boardKey("service.keyboard.clear", "", keyClose, k.place(d, cells[9], r), func() { k.text = ""; k.show() })
		}
	}
}

// place turns a key's place around before the sheet does it again.
func (k *keyboard) place(d *draw, c, r rect) rect {
	if d.RTL() {
		c.x = 2*r.x + r.w - c.x - c.w
	}
	return c
}

func (d *draw) boardKey(id, text, icon string, r rect, tap func()) {
	name := text
	if icon != "" {
		name = d.T("service.key." + icon)
	}
	img := d.Compose(func() *image.RGBA {
		p := art.Clear(d.Fonts, r.w, r.h)
		p.Round(0, 0, float64(r.w), float64(r.h), d.m.f(18, 9), d.Roles.Surface)
		px := min(d.m.f(44, 24), float64(r.h)*.5)
		if icon != "" {
			p.Icon(icon, (float64(r.w)-px)/2, (float64(r.h)-px)/2, px, d.Roles.Ink)
			return p.RGBA
		}
		if len(text) > 1 {
			px *= .7
		}
		p.Text(text, float64(r.w)/2, (float64(r.h)-px)/2, art.Style{Size: theme.Size{PX: px, Line: 1, Cut: theme.Text}, Color: d.Roles.Ink}, art.Centre)
		return p.RGBA
	}, "board/%s/%s/%d/%d", text, icon, r.w, r.h)
	c := sheet.NewControl(id, sheet.RoleKey, name, img, r.x, r.y, tap)
	c.Radius = float32(d.m.f(18, 9))
	d.Control(c)
}

func (k *keyboard) picture(d *draw) *image.RGBA {
	q := art.Clear(d.Fonts, k.at.w, k.at.h)
	w, h := float64(k.at.w), float64(k.at.h)
	q.Round(0, 0, w, h, d.m.f(24, 12), d.Roles.Sunk)
	q.Frame(0, 0, w, h, d.m.f(24, 12), d.m.f(3, 2), d.Roles.Line)
	t, sz := d.fit(k.text+"|", theme.Size{PX: d.m.f(40, 22), Line: 1, Cut: theme.Text}, w-d.m.f(60, 30))
	q.Text(t, d.m.f(30, 15), (h-sz.PX)/2, art.Style{Size: sz, Color: d.Roles.Ink}, art.Left)
	return q.RGBA
}

func (k *keyboard) show() {
	s := k.s
	sheet.Replace(k.field, k.picture(s.on(s.look.Sheet(s.look.Roles.BG, s.look.Roles.Ink))))
}

func (k *keyboard) type_(t string) {
	if len(k.text)+len(t) <= k.most {
		k.text += t
		k.show()
	}
}

func (k *keyboard) erase() {
	if k.text != "" {
		k.text = k.text[:len(k.text)-1]
		k.show()
	}
}
