package paint

import (
	"hash/maphash"
	"image"
	"reflect"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	xdraw "golang.org/x/image/draw"
)

// content is what is known about the pixels of one raster or image object.
type content struct {
	stale bool
	seen  uint64
	im    image.Image // image: the source
	hash  uint64      // of the source's pixels (image), of the generated ones (raster)
	w, h  int         // raster: size generated for
}

// pictureKey is everything a picture's pixels depend on. im and the hash of its pixels together: the same image with
// other pixels is another picture, and a refresh that changed nothing costs a comparison only.
type pictureKey struct {
	im     image.Image
	raster fyne.CanvasObject
	hash   uint64
	w, h   int
	mode   canvas.ImageScale
	fill   canvas.ImageFill
	radius float32
	alpha  float64
}

var seed = maphash.MakeSeed()

func (p *Painter) state(o fyne.CanvasObject) *content {
	s := p.states[o]
	if s == nil {
		s = &content{stale: true}
		p.states[o] = s
	}
	s.seen = p.n
	return s
}

// applyStale marks what Refresh named and everything below it.
func (p *Painter) applyStale() {
	if len(p.stale) == 0 {
		return
	}
	if len(p.states) > 0 {
		for o := range p.stale {
			p.markStale(o)
		}
	}
	clear(p.stale)
}

func (p *Painter) markStale(o fyne.CanvasObject) {
	if o == nil || !o.Visible() {
		if s := p.states[o]; s != nil {
			s.stale = true
		}
		return
	}
	if s := p.states[o]; s != nil {
		s.stale = true
		return
	}
	kids, _ := Children(o)
	for _, k := range kids {
		p.markStale(k)
	}
}

// sweep forgets objects that are not on screen, so that they can be collected: images and widgets at once, because a
// screen that rests draws no other frame and one of its pages may be the size of the screen; what costs more to make
// again after a while.
func (p *Painter) sweep() {
	for o, s := range p.states {
		if s.im != nil && s.seen != p.n {
			delete(p.states, o)
		}
	}
	for w, k := range p.known {
		if k.seen != p.n {
			delete(p.known, w)
		}
	}
	const every = 256
	if p.n%every != 0 {
		return
	}
	for o, s := range p.states {
		if s.seen+every < p.n {
			delete(p.states, o)
		}
	}
}

// expire lets Fyne throw away the renderers of widgets that have not been on screen for a minute. It only does so while
// it paints, which is seldom asked of it here: without this every page that was ever shown would stay.
func (p *Painter) expire(now time.Time) {
	const every = 15 * time.Second // Fyne itself looks at most every 10 s
	if p.clean.IsZero() {
		p.clean = now // the first frame is not delayed
	}
	if now.Sub(p.clean) < every {
		return
	}
	p.clean = now
	p.ras.capture(&fyne.Container{}, 1, 1, p.scale)
}

func (p *Painter) addImage(t *canvas.Image, pos fyne.Position, clip image.Rectangle) {
	if t.Image == nil {
		return
	}
	w, h := p.px(t.Size().Width), p.px(t.Size().Height)
	corner := image.Pt(p.px(pos.X), p.px(pos.Y))
	if w <= 0 || h <= 0 || outside(corner, w, h, clip) {
		return
	}
	s := p.state(t)
	if s.stale || s.im != t.Image {
		s.im, s.hash, s.stale = t.Image, hashImage(t.Image, p.n), false
	}
	k := pictureKey{im: t.Image, hash: s.hash, w: w, h: h, mode: t.ScaleMode, fill: t.FillMode, radius: t.CornerRadius, alpha: t.Alpha()}
	tex := p.pics[k]
	if tex == nil {
		tex = p.rasterImage(t, w, h)
		p.keep(tex, func() { delete(p.pics, k) })
		p.pics[k] = tex
	}
	p.lru.use(tex, p.n)
	p.put(t, tex, corner, clip)
}

// rasterImage copies an image that has its final size, or lets Fyne's painter scale, fit, fade and round it.
func (p *Painter) rasterImage(t *canvas.Image, w, h int) *texture {
	b := t.Image.Bounds()
	if b.Dx() == w && b.Dy() == h && t.CornerRadius < 0.5 && t.Translucency == 0 {
		switch im := t.Image.(type) {
		case *image.RGBA:
			return p.texture(im, false)
		case *Bitmap:
			return p.bitmap(im)
		}
		return p.texture(toRGBA(t.Image), true)
	}
	c := *t
	c.Move(fyne.Position{})
	return p.texture(p.ras.capture(&c, w, h, p.scale), true)
}

func (p *Painter) addRaster(t *canvas.Raster, pos fyne.Position, clip image.Rectangle) {
	w, h := p.px(t.Size().Width), p.px(t.Size().Height)
	corner := image.Pt(p.px(pos.X), p.px(pos.Y))
	if t.Generator == nil || w <= 0 || h <= 0 || outside(corner, w, h, clip) {
		return
	}
	s := p.state(t)
	k := pictureKey{raster: t, hash: s.hash, w: w, h: h, mode: t.ScaleMode}
	tex := p.pics[k]
	if s.stale || s.w != w || s.h != h || tex == nil {
		im := p.generate(t, w, h)
		s.hash, s.w, s.h, s.stale = maphash.Bytes(seed, im.Pix), w, h, false
		k.hash = s.hash
		if tex = p.pics[k]; tex == nil {
			tex = p.texture(im, true)
			p.keep(tex, func() { delete(p.pics, k) })
			p.pics[k] = tex
		}
	}
	p.lru.use(tex, p.n)
	p.put(t, tex, corner, clip)
}

// addUnknown lets Fyne's painter draw what this one was not taught, whenever it is refreshed or has another size.
func (p *Painter) addUnknown(o fyne.CanvasObject, pos fyne.Position, clip image.Rectangle) {
	const pad = 16 // units around it for what it draws beyond its size
	size := o.Size()
	w, h := p.px(size.Width+2*pad), p.px(size.Height+2*pad)
	corner := image.Pt(p.px(pos.X-pad), p.px(pos.Y-pad))
	if size.IsZero() || !reflect.TypeOf(o).Comparable() || outside(corner, w, h, clip) {
		return
	}
	s := p.state(o)
	k := pictureKey{raster: o, hash: s.hash, w: w, h: h}
	tex := p.pics[k]
	if s.stale || s.w != w || s.h != h || tex == nil {
		at := o.Position()
		im := p.ras.capture(shifted(o, fyne.NewPos(pad, pad).Subtract(at)), w, h, p.scale)
		s.hash, s.w, s.h, s.stale = maphash.Bytes(seed, im.Pix), w, h, false
		k.hash = s.hash
		if tex = p.pics[k]; tex == nil {
			tex = p.texture(im, true)
			p.keep(tex, func() { delete(p.pics, k) })
			p.pics[k] = tex
		}
	}
	p.lru.use(tex, p.n)
	p.put(o, tex, corner, clip)
}

// shifted shows o at another place without moving it, which it might take for a change.
func shifted(o fyne.CanvasObject, by fyne.Position) fyne.CanvasObject {
	c := &fyne.Container{Objects: []fyne.CanvasObject{o}}
	c.Move(by)
	return c
}

// generate asks the raster for its pixels and scales them if it returned another size.
func (p *Painter) generate(t *canvas.Raster, w, h int) *image.RGBA {
	im := t.Generator(w, h)
	if im == nil {
		return image.NewRGBA(image.Rectangle{})
	}
	if b := im.Bounds(); b.Dx() == w && b.Dy() == h {
		return toRGBA(im)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	var s xdraw.Scaler
	switch t.ScaleMode {
	case canvas.ImageScalePixels:
		s = xdraw.NearestNeighbor
	case canvas.ImageScaleFastest:
		s = xdraw.ApproxBiLinear
	default:
		s = xdraw.CatmullRom
	}
	s.Scale(out, out.Rect, im, im.Bounds(), xdraw.Src, nil)
	return out
}

// hashImage is equal for equal pixels. Of a type it cannot read it returns unique, so a refresh always repaints.
func hashImage(im image.Image, unique uint64) uint64 {
	switch t := im.(type) {
	case *Bitmap:
		return 0 // never changes
	case *image.RGBA:
		return maphash.Bytes(seed, t.Pix)
	case *image.NRGBA:
		return maphash.Bytes(seed, t.Pix)
	case *image.Gray:
		return maphash.Bytes(seed, t.Pix)
	case *image.Alpha:
		return maphash.Bytes(seed, t.Pix)
	case *image.CMYK:
		return maphash.Bytes(seed, t.Pix)
	case *image.YCbCr:
		var h maphash.Hash
		h.SetSeed(seed)
		_, _ = h.Write(t.Y) // never fails
		_, _ = h.Write(t.Cb)
		_, _ = h.Write(t.Cr)
		return h.Sum64()
	}
	return unique
}
