// Package theme is the look of the touch screen as data: colour roles, type scale, spacing, and the pinned fonts.
// It may import Fyne, the shaper, and the types of
// the catalogue (agent/beverage) that a campaign brings along. Everything in it is read-only after Load.
//
//	fonts/*.ttf ──embed──► Fonts ──Line──► outlines, widths ──► art
//	tokens       ──► Roles, Type, Space ──► screens, and fyne.Theme for Fyne's own widgets
//
// The figures are those of the visual direction's tokens file; a change there is a change here.
package theme

import (
	"fmt"
	"image/color"
)

// Roles are the colours of a theme by what they are for.
type Roles struct {
	BG, Surface, Sunk, Line color.RGBA // page, raised area, quiet control, hairline
	Ink, InkSoft            color.RGBA // text
	Active, OnActive        color.RGBA // the one chosen control
	Go, OnGo, Stop, OnStop  color.RGBA
	Warn, OnWarn            color.RGBA
	Focus                   color.RGBA
	Water, OnWater          color.RGBA // "Just water"
	Drained, DrainedTile    color.RGBA // outlines of what has run out, on Sunk, large and on a tile
	Outline                 color.RGBA // pictures of what is not there, on BG
	Plain                   bool       // high contrast: no motifs, a line around every target
}

// Space and radii in pixels at 1080 wide.
const (
	Unit       = 8
	Margin     = 40
	Gutter     = 16
	RadiusTile = 28
	RadiusCard = 36
	// High contrast: the radius of everything, and the width of the line around every target.
	RadiusPlain = 8
	LinePlain   = 4
)

// Size is one step of the type scale.
type Size struct {
	PX    float64 // em size in pixels
	Line  float64 // line height in em
	Cut   Cut
	Track float64 // letter spacing in em
}

// Type is the type scale of one panel.
type Type struct {
	Mega, Poster, Title, Heading, Name, Body, Label, Small Size
}

// TypeFor returns the scale for a panel of that width and height: the small panel has its own scale, not a zoom.
func TypeFor(w, h int) Type {
	if min(w, h) < 700 {
		return Type{
			Mega: Size{132, .86, Display, -.03}, Poster: Size{72, .88, Display, -.02}, Title: Size{48, .94, Display, -.015},
			Heading: Size{32, 1, Display, -.01}, Name: Size{28, 1, Condensed, 0}, Body: Size{22, 1.35, Text, 0},
			Label: Size{20, 1.2, Text, 0}, Small: Size{18, 1.3, Sans, 0},
		}
	}
	return Type{
		Mega: Size{320, .9, Display, -.03}, Poster: Size{176, .88, Display, -.02}, Title: Size{104, .94, Display, -.015},
		Heading: Size{60, 1, Display, -.01}, Name: Size{42, 1, Condensed, 0}, Body: Size{34, 1.35, Text, 0},
		Label: Size{28, 1.2, Text, 0}, Small: Size{24, 1.3, Sans, 0},
	}
}

// Grow factors of large text: small sizes grow most, and names take the next step of the scale.
const (
	growText = 1.3
	growName = 60. / 42
)

// Grown is a size drawn for 1080×1920 as large text and high contrast have it: sentences, labels and small print grow by
// 1.3 with large text, names by one step with either; what is larger stays.
func Grown(px float64, large, plain bool) float64 {
	switch {
	case px < 38 && large:
		return px * growText
	case px >= 38 && px < 60 && (large || plain):
		return min(px*growName, max(px, 60))
	}
	return px
}

// Grown is the scale with large text and high contrast.
func (t Type) Grown(large, plain bool) Type {
	if large {
		t.Body.PX, t.Label.PX, t.Small.PX = t.Body.PX*growText, t.Label.PX*growText, t.Small.PX*growText
	}
	if large || plain {
		t.Name.PX = t.Heading.PX
	}
	return t
}

// Hex reads #RRGGBB. Anything else is magenta, which no palette uses: a wrong colour is seen, not fatal.
func Hex(s string) color.RGBA {
	var r, g, b uint8
	if n, err := fmt.Sscanf(s, "#%02x%02x%02x", &r, &g, &b); n != 3 || err != nil {
		return color.RGBA{R: 255, B: 255, A: 255}
	}
	return color.RGBA{R: r, G: g, B: b, A: 255}
}

// Mix returns a with share t (0..1) of b in it. Screens use it instead of transparency.
func Mix(a, b color.RGBA, t float64) color.RGBA {
	m := func(x, y uint8) uint8 { return uint8(float64(x)*(1-t) + float64(y)*t + .5) }
	return color.RGBA{R: m(a.R, b.R), G: m(a.G, b.G), B: m(a.B, b.B), A: 255}
}
