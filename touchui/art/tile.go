package art

import (
	"image"
	"image/color"

	"fountain/agent/beverage"
	"fountain/touchui/theme"
)

// TileSpec is the size of a brand tile: art above, Label pixels of plain primary with the name below.
type TileSpec struct {
	W, H, Label int
	Radius      float64
	Pad         float64 // left, right and under the text
	NamePX      float64 // one line
	NamePX2     float64 // two lines
	KindPX      float64 // 0: no kind line
}

// TileFull and TileSmall are the tiles of 1080×1920 and 800×480.
var (
	TileFull  = TileSpec{W: 238, H: 304, Label: 138, Radius: theme.RadiusTile, Pad: 18, NamePX: 56, NamePX2: 45, KindPX: 24}
	TileSmall = TileSpec{W: 136, H: 168, Label: 68, Radius: 18, Pad: 12, NamePX: 34, NamePX2: 28}
)

// Scaled returns the tile at another size, everything in proportion.
func (t TileSpec) Scaled(k float64) TileSpec {
	i := func(v int) int { return int(float64(v)*k + .5) }
	return TileSpec{
		W: i(t.W), H: i(t.H), Label: i(t.Label), Radius: t.Radius * k, Pad: t.Pad * k,
		NamePX: t.NamePX * k, NamePX2: t.NamePX2 * k, KindPX: t.KindPX * k,
	}
}

// Tile composes a brand tile on a page of bg. kind is what stands under the name. A drained tile shows that nothing of the
// brand can be poured. In high contrast it is a frame with the name on top.
func Tile(f *theme.Fonts, b *beverage.Brand, kind string, t TileSpec, bg color.RGBA, drained bool, r theme.Roles) *image.RGBA {
	if r.Plain {
		return plainTile(f, b, kind, t, drained, r)
	}
	c := ColoursOf(b.Palette)
	field, ink := c.Primary, c.Ink
	var outline *color.RGBA
	if drained {
		field, ink = r.Sunk, r.InkSoft
		outline = &r.DrainedTile
	}
	p := NewPicture(f, t.W, t.H, field)
	p.Motif(b.Motif, c, image.Rect(0, 0, t.W, t.H-t.Label), outline)
	y := float64(t.H) - t.Pad
	if t.KindPX > 0 {
		y = float64(t.H) - t.Pad*16/18 - t.KindPX
		st := Style{theme.Size{PX: t.KindPX, Line: 1, Cut: theme.Sans}, ink}
		st.PX = f.Fit([]string{kind}, st.Cut, 0, float64(t.W)-2*t.Pad, t.KindPX, 14)
		p.Text(kind, t.Pad, y+t.KindPX-st.PX, st, Left)
		y -= t.KindPX / 3
	}
	cut := theme.CutNamed(b.Wordmark.Cut)
	px := f.Fit(b.Wordmark.Lines, cut, -.01, float64(t.W)-2*t.Pad, t.nameOf(b), 14)
	st := Style{theme.Size{PX: px, Line: .9, Cut: cut, Track: -.01}, ink}
	p.Lines(b.Wordmark.Lines, t.Pad, y-px*.9*float64(len(b.Wordmark.Lines)), st, Left)
	return p.Corners(t.Radius, bg).RGBA
}

func (t TileSpec) nameOf(b *beverage.Brand) float64 {
	if len(b.Wordmark.Lines) > 1 {
		return t.NamePX2
	}
	return t.NamePX
}

// plainTile is a tile without a picture: the name as large as it goes on top, the kind below, a line around both.
func plainTile(f *theme.Fonts, b *beverage.Brand, kind string, t TileSpec, drained bool, r theme.Roles) *image.RGBA {
	p := NewPicture(f, t.W, t.H, r.BG)
	line := max(2, t.Pad/7)
	p.Frame(0, 0, float64(t.W), float64(t.H), t.Pad*2/7, line, r.Line)
	room := float64(t.W) - 2*t.Pad
	px := f.Fit(b.Wordmark.Lines, theme.Condensed, -.01, room, t.nameOf(b), 14)
	p.Lines(b.Wordmark.Lines, t.Pad, t.Pad, Style{theme.Size{PX: px, Line: .95, Cut: theme.Condensed, Track: -.01}, r.Ink}, Left)
	if t.KindPX == 0 && !drained {
		return p.RGBA
	}
	st := Style{theme.Size{PX: max(t.KindPX, t.NamePX2*.6), Line: 1, Cut: theme.Text}, r.InkSoft}
	st.PX = f.Fit([]string{kind}, st.Cut, 0, room, st.PX, 14)
	p.Text(kind, t.Pad, float64(t.H)-t.Pad-st.PX*1.1, st, Left)
	return p.RGBA
}

// Porthole draws a motif through a circle of radius r on well, the circle's box at x, y.
func (p *Picture) Porthole(b *beverage.Brand, x, y, r int) {
	c := ColoursOf(b.Palette)
	in := NewPicture(p.f, 2*r, 2*r, c.Well)
	top := int(float64(r)*.12 + .5)
	in.Motif(b.Motif, c, image.Rect(0, top, 2*r, top+int(float64(r)*1.88+.5)), nil)
	p.Through(in.RGBA, x, y, (&Path{}).Circle(float64(x+r), float64(y+r), float64(r)))
}

// Card is a beverage as a poster: brand on top, name and a note below, the motif through a porthole on the right.
type Card struct {
	W, H          int
	Brand         *beverage.Brand
	Name, Note    string
	BrandPX       float64
	NamePX, NoteH float64
	NameLine      float64
	Pad           int // left
	Top, Bottom   int
	Hole          image.Point // upper left of the porthole's box
	HoleR         int
	TextW         int
	NoteSize      theme.Size
	NoteGap       float64
	Radius        float64
	MaxLines      int
	MaxNameH      float64
}

// FavouriteCard is a card of the favourites row.
func FavouriteCard(b *beverage.Brand, name, note string) Card {
	return Card{
		W: 440, H: 260, Brand: b, Name: name, Note: note, BrandPX: 26, NamePX: 60, NameLine: .92, Pad: 28, Top: 28, Bottom: 26,
		Hole: image.Pt(218, -18), HoleR: 148, TextW: 184, NoteSize: theme.Size{PX: 24, Line: 1, Cut: theme.Sans}, NoteGap: 16,
		Radius: theme.RadiusCard, MaxLines: 3, MaxNameH: 130,
	}
}

// SubstituteCard is the large card that recommends a beverage.
func SubstituteCard(b *beverage.Brand, name, note string) Card {
	return Card{
		W: 1000, H: 400, Brand: b, Name: name, Note: note, BrandPX: 36, NamePX: 108, NameLine: .9, Pad: 40, Top: 40, Bottom: 36,
		Hole: image.Pt(590, -30), HoleR: 230, TextW: 500, NoteSize: theme.Size{PX: 30, Line: 1.2, Cut: theme.Text}, NoteGap: 18,
		Radius: theme.RadiusCard, MaxLines: 2, MaxNameH: 200,
	}
}

// Scaled returns the card at another size, everything in proportion.
func (c Card) Scaled(k float64) Card {
	i := func(v int) int { return int(float64(v)*k + .5) }
	c.W, c.H, c.Pad, c.Top, c.Bottom, c.HoleR, c.TextW = i(c.W), i(c.H), i(c.Pad), i(c.Top), i(c.Bottom), i(c.HoleR), i(c.TextW)
	c.Hole = image.Pt(i(c.Hole.X), i(c.Hole.Y))
	c.BrandPX, c.NamePX, c.NoteSize.PX = max(c.BrandPX*k, 18), c.NamePX*k, max(c.NoteSize.PX*k, 18)
	c.NoteGap, c.Radius, c.MaxNameH = c.NoteGap*k, c.Radius*k, c.MaxNameH*k
	return c
}

// Draw composes the card on a page of bg. In high contrast it is a frame with the words alone.
func (c Card) Draw(f *theme.Fonts, bg color.RGBA, r theme.Roles) *image.RGBA {
	col := ColoursIn(c.Brand.Palette, r)
	if r.Plain {
		c.TextW, c.Radius = c.W-2*c.Pad, c.Radius*theme.RadiusPlain/theme.RadiusCard
	}
	p := NewPicture(f, c.W, c.H, col.Primary)
	if !r.Plain {
		p.Porthole(c.Brand, c.Hole.X, c.Hole.Y, c.HoleR)
	}
	x := float64(c.Pad)
	brand := Style{theme.Size{PX: c.BrandPX, Line: 1, Cut: theme.Text}, col.Ink}
	p.Text(c.Brand.Name, x, float64(c.Top), brand, Left)
	y := float64(c.H-c.Bottom) - c.NoteSize.PX*c.NoteSize.Line
	note := Style{c.NoteSize, col.Ink}
	note.PX = f.Fit([]string{c.Note}, note.Cut, 0, float64(c.TextW)+20, note.PX, 18)
	p.Text(c.Note, x, y, note, Left)
	sz := theme.Size{PX: c.NamePX, Line: c.NameLine, Cut: theme.Condensed, Track: -.015}
	lines, px := FitName(f, c.Name, sz, float64(c.TextW), c.MaxNameH, 20, c.MaxLines)
	sz.PX = px
	p.Lines(lines, x, y-c.NoteGap-px*sz.Line*float64(len(lines)), Style{sz, col.Ink}, Left)
	if r.Plain {
		p.Frame(0, 0, float64(c.W), float64(c.H), c.Radius, max(2, float64(c.Pad)/7), r.Line)
	}
	return p.Corners(c.Radius, bg).RGBA
}

// Pressed is img as it looks under a finger: 12 % toward ink, moved down by shift on bg.
func Pressed(img *image.RGBA, ink, bg color.RGBA, shift int) *image.RGBA {
	r := img.Bounds()
	out := image.NewRGBA(r)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := bg
			if y-shift >= r.Min.Y {
				s := img.RGBAAt(x, y-shift)
				if s == bg || s.A == 0 {
					c = s
				} else {
					c = theme.Mix(s, ink, .12)
				}
			}
			out.SetRGBA(x, y, c)
		}
	}
	return out
}
