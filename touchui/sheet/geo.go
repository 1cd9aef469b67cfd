package sheet

import "fountain/touchui/theme"

// Geo maps the drawn geometry to the panel: portrait panels use what is drawn for 1080×1920, wide ones what is drawn for
// 800×480.
type Geo struct {
	W, H int // panel pixels
	Wide bool
	K    float64 // panel pixels per drawn pixel
	OX   float64 // left edge of the drawn page
	PPMM float64 // panel pixels per millimetre
}

// NewGeo is the geometry of a panel of w×h pixels with ppmm pixels per millimetre; 0 assumes the panel that the
// drawing was made for: 32 inch portrait, 10 inch wide.
func NewGeo(w, h int, ppmm float64) Geo {
	g := Geo{W: w, H: h, Wide: w > h, PPMM: ppmm}
	if g.Wide {
		g.K = min(float64(w)/800, float64(h)/480)
	} else {
		g.K = min(float64(w)/1080, float64(h)/1920)
		g.OX = (float64(w) - 1080*g.K) / 2
	}
	if g.PPMM <= 0 {
		const portrait32, wide10 = 2.72, 3.67 // pixels per millimetre of the drawn panels (tokens file, touch)
		g.PPMM = portrait32 * g.K
		if g.Wide {
			g.PPMM = wide10 * g.K
		}
	}
	return g
}

// S scales a length.
func (g Geo) S(v float64) float64 { return v * g.K }

// I scales a length to whole pixels.
func (g Geo) I(v float64) int { return int(v*g.K + .5) }

// X and Y scale a position from the upper left corner of the drawn page.
func (g Geo) X(v float64) float64 { return g.OX + v*g.K }

// Y is the position v below the upper edge.
func (g Geo) Y(v float64) float64 { return v * g.K }

// R is the position v left of the drawn page's right edge, B the one v above the lower edge.
func (g Geo) R(v float64) float64 { return float64(g.W) - g.OX - v*g.K }

// B is the position v above the lower edge.
func (g Geo) B(v float64) float64 { return float64(g.H) - v*g.K }

// MM is a length in millimetres as panel pixels.
func (g Geo) MM(v float64) int { return int(v*g.PPMM + .5) }

// At is a size of type scaled to the panel.
func (g Geo) At(px, line float64, cut theme.Cut, track float64) theme.Size {
	return theme.Size{PX: px * g.K, Line: line, Cut: cut, Track: track}
}
