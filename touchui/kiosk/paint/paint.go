// Package paint draws a tree of Fyne objects into a frame: a display list by tree walk, the difference to the previous
// list as dirty rectangles, each primitive rasterised once by Fyne's own software painter and kept as a texture.
//
//	roots ─► collect (walk, clip, cull, texture lookup) ─► diff ─► dirty rectangles ─► paint (fill, copy, blend) ─► Frame
//
// A Painter belongs to the Fyne thread. It may import touchui/display and Fyne.
package paint

import (
	"image"
	"image/color"
	"math"
	"time"

	"fyne.io/fyne/v2"

	"fountain/touchui/display"
)

// Config of a Painter.
type Config struct {
	Width, Height int      // of the panel, pixels; what is seen has them swapped at 90 and 270 degrees
	Scale         float32  // pixels per Fyne unit; 0 = 1
	Rotation      Rotation // of the picture on the panel
	Format        display.PixelFormat
	Background    color.Color // shown where nothing is; nil = black. Drawn opaque
	CacheBytes    int         // budget of textures; what is on screen stays even above it; 0 = 48 MiB
}

// Stats of the last frame.
type Stats struct {
	Items  int // primitives on screen
	Drawn  int // primitives touched while repainting
	Pixels int // pixels repainted
	Misses int // textures rasterised
	Bytes  int // held by textures
	Took   time.Duration
}

// Painter keeps the frame, the display list it shows, and the textures.
type Painter struct {
	frame  *display.Frame
	size   image.Point // as seen
	rot    Rotation
	scale  float32
	swap   bool
	bg     pixel
	list   []item
	next   []item
	damage damage
	force  image.Rectangle
	hidden occlusion
	n      uint64
	stats  Stats

	lru    lru
	shapes map[shapeKey]*texture
	texts  map[textKey]*texture
	grads  map[gradientKey]*texture
	pics   map[pictureKey]*texture
	states map[fyne.CanvasObject]*content // rasters and images seen lately
	stale  map[fyne.CanvasObject]struct{}
	known  map[fyne.Widget]known
	ras    rasteriser
	clean  time.Time // when Fyne last forgot its unused renderers
}

// New returns a painter whose first frame repaints everything.
func New(cfg Config) *Painter {
	if cfg.Scale <= 0 {
		cfg.Scale = 1
	}
	if cfg.CacheBytes <= 0 {
		cfg.CacheBytes = 48 << 20
	}
	p := &Painter{
		frame: display.NewFrame(cfg.Width, cfg.Height, cfg.Format),
		size:  cfg.Rotation.Size(image.Pt(cfg.Width, cfg.Height)), rot: cfg.Rotation,
		scale: cfg.Scale, swap: cfg.Format == display.XRGB8888,
		states: map[fyne.CanvasObject]*content{}, stale: map[fyne.CanvasObject]struct{}{},
		known: map[fyne.Widget]known{},
	}
	p.lru.init(cfg.CacheBytes)
	p.DropTextures()
	p.SetBackground(cfg.Background)
	return p
}

// Buffer is the frame as it stands after Frame; it stays the painter's.
func (p *Painter) Buffer() *display.Frame { return p.frame }

// Seen returns a copy of the frame as a person sees it.
func (p *Painter) Seen() *image.RGBA {
	return ((4 - p.rot) % 4).turn(p.frame.Image(p.frame.Bounds()))
}

// Stats of the last frame.
func (p *Painter) Stats() Stats { return p.stats }

// SetBackground changes the colour below everything.
func (p *Painter) SetBackground(c color.Color) {
	if c == nil {
		c = color.Black
	}
	px := p.pixel(c)
	px[3] = 255
	if px != p.bg {
		p.bg = px
		p.Invalidate(p.frame.Bounds())
	}
}

// Background is the colour below everything.
func (p *Painter) Background() color.Color {
	c := p.bg
	if p.swap {
		c[0], c[2] = c[2], c[0]
	}
	return color.RGBA{c[0], c[1], c[2], c[3]}
}

// Invalidate repaints r, in the panel's pixels, in the next frame whether or not it changed.
func (p *Painter) Invalidate(r image.Rectangle) {
	p.force = p.force.Union(r.Intersect(p.frame.Bounds()))
}

// Refresh tells that the content of o, or of something below it, may have changed without a change of its fields:
// rasters are generated again, pixels of images are compared again. All else is noticed without being told.
func (p *Painter) Refresh(o fyne.CanvasObject) { p.stale[o] = struct{}{} }

// DropTextures forgets every rasterised primitive (theme or font changed) and repaints.
func (p *Painter) DropTextures() {
	budget := p.lru.budget
	for t := p.lru.root.next; t != nil && t != &p.lru.root; t = t.next {
		t.unused()
	}
	p.lru = lru{}
	p.lru.init(budget)
	p.shapes, p.texts = map[shapeKey]*texture{}, map[textKey]*texture{}
	p.grads, p.pics = map[gradientKey]*texture{}, map[pictureKey]*texture{}
	clear(p.states)
	p.list = p.list[:0]
	p.Invalidate(p.frame.Bounds())
}

// Frame repaints what changed since the last call and returns the rectangles in which pixels may differ; they do not
// overlap much but may overlap. The slice is valid until the next call. Roots are painted in order, nil ones skipped.
func (p *Painter) Frame(roots ...fyne.CanvasObject) []image.Rectangle {
	start := time.Now()
	p.n++
	p.stats = Stats{}
	p.applyStale()
	p.collect(roots)
	p.damage.rects = p.damage.rects[:0]
	p.damage.add(p.force)
	p.force = image.Rectangle{}
	p.damage.diff(p.list, p.next)
	for _, r := range p.damage.rects {
		p.paint(r)
		p.stats.Pixels += area(r)
	}
	p.list, p.next = p.next, p.list
	clear(p.next) // the old list would keep its textures and objects alive
	p.lru.trim(p.n)
	p.sweep()
	p.expire(start)
	p.stats.Items, p.stats.Bytes = len(p.list), p.lru.bytes
	p.stats.Took = time.Since(start)
	return p.damage.rects
}

// px converts Fyne units to pixels as Fyne's painter does: upwards.
func (p *Painter) px(v float32) int { return int(math.Ceil(float64(v * p.scale))) }

// pixel converts a colour to the frame's channel order.
func (p *Painter) pixel(c color.Color) pixel {
	if c == nil {
		return pixel{}
	}
	r, g, b, a := c.RGBA()
	if p.swap {
		r, b = b, r
	}
	return pixel{byte(r >> 8), byte(g >> 8), byte(b >> 8), byte(a >> 8)}
}
