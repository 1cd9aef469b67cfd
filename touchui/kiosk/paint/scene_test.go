package paint_test

import (
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// wall is 120 brands on a screen, built in one of the ways one would.
type wall struct {
	root   fyne.CanvasObject
	scroll func(y float32)
	press  *canvas.Rectangle // the field of one tile in sight
	pic    *canvas.Image     // the picture of one tile in sight
}

// tileSize of a wall, by the width of the screen: what touchui/screens shows.
func tileSize(w int) image.Point {
	switch {
	case w >= 1080:
		return image.Pt(238, 304)
	case w >= 800:
		return image.Pt(176, 224)
	}
	return image.Pt(120, 140)
}

// tileArt is an abstract picture with round shapes and no transparency.
func tileArt(w, h, variant int) *image.RGBA {
	im := image.NewRGBA(image.Rect(0, 0, w, h))
	rng := rand.New(rand.NewPCG(uint64(variant), 1))
	bg := color.RGBA{byte(rng.IntN(256)), byte(rng.IntN(256)), byte(rng.IntN(256)), 255}
	cx, cy, r := rng.IntN(w), rng.IntN(h), w/4+rng.IntN(w/4)
	for y := range h {
		for x := range w {
			c := bg
			if d := (x-cx)*(x-cx) + (y-cy)*(y-cy); d < r*r {
				c = color.RGBA{byte(d * 255 / (r * r)), 255 - bg.G, bg.R, 255}
			}
			im.SetRGBA(x, y, c)
		}
	}
	return im
}

func tileField(i int) *canvas.Rectangle {
	bg := canvas.NewRectangle(color.NRGBA{R: byte(i), G: 90, B: 160, A: 255})
	bg.CornerRadius = 28
	return bg
}

func tileName(i int) *canvas.Text {
	name := canvas.NewText(fmt.Sprint("Brand ", i), color.White)
	name.TextSize = 24
	name.Alignment = fyne.TextAlignCenter
	return name
}

// naiveWall is how one begins: stacks in a scrolled grid, pictures scaled by the painter.
func naiveWall(w, h int) wall {
	size := tileSize(w)
	box := container.NewGridWithColumns(max(2, w/(size.X+12)))
	var field *canvas.Rectangle
	var shown *canvas.Image
	for i := range 120 {
		bg := tileField(i)
		bg.SetMinSize(fyne.NewSize(float32(size.X), float32(size.Y)))
		pic := canvas.NewImageFromImage(tileArt(256, 256, i))
		pic.FillMode = canvas.ImageFillContain
		if i == 1 {
			field, shown = bg, pic
		}
		box.Add(container.NewStack(bg, pic, container.NewVBox(tileName(i))))
	}
	s := container.NewVScroll(box)
	s.Resize(fyne.NewSize(float32(w), float32(h)))
	return wall{root: s, scroll: func(y float32) { s.ScrollToOffset(fyne.NewPos(0, y)) }, press: field, pic: shown}
}

// gridWall is the best that Fyne's own widgets give: recycled cells, pictures scaled beforehand.
func gridWall(w, h int) wall {
	size := tileSize(w)
	pics := make([]image.Image, 120)
	for i := range pics {
		pics[i] = tileArt(size.X-24, size.X-24, i)
	}
	var fields []*canvas.Rectangle
	var shown []*canvas.Image
	g := widget.NewGridWrap(func() int { return len(pics) },
		func() fyne.CanvasObject {
			bg := tileField(0)
			pic := canvas.NewImageFromImage(pics[0])
			pic.FillMode = canvas.ImageFillOriginal
			pic.ScaleMode = canvas.ImageScalePixels
			pic.SetMinSize(fyne.NewSize(float32(size.X-24), float32(size.X-24)))
			pad := canvas.NewRectangle(color.Transparent)
			pad.SetMinSize(fyne.NewSize(float32(size.X), float32(size.Y)))
			fields, shown = append(fields, bg), append(shown, pic)
			return container.NewStack(bg, pad, container.NewCenter(pic), container.NewVBox(tileName(0)))
		},
		func(i int, o fyne.CanvasObject) {
			c := o.(*fyne.Container)
			c.Objects[0].(*canvas.Rectangle).FillColor = tileField(i).FillColor
			c.Objects[2].(*fyne.Container).Objects[0].(*canvas.Image).Image = pics[i]
			c.Objects[3].(*fyne.Container).Objects[0].(*canvas.Text).Text = fmt.Sprint("Brand ", i)
			o.Refresh()
		})
	g.Resize(fyne.NewSize(float32(w), float32(h)))
	return wall{root: g, scroll: g.ScrollToOffset, press: fields[1], pic: shown[1]}
}

// composedWall is what touchui/screens shows: one opaque picture a tile, those far from sight hidden.
func composedWall(w, h int, packed func(*image.RGBA) image.Image) wall {
	size := tileSize(w)
	const gap = 16
	cols := max(2, w/(size.X+gap))
	box := &fyne.Container{}
	for i := range 120 {
		pic := canvas.NewImageFromImage(packed(tileArt(size.X, size.Y, i)))
		pic.ScaleMode = canvas.ImageScalePixels
		pic.Move(fyne.NewPos(float32(gap+i%cols*(size.X+gap)), float32(gap+i/cols*(size.Y+gap))))
		pic.Resize(fyne.NewSize(float32(size.X), float32(size.Y)))
		box.Add(pic)
	}
	box.Layout = fixed(fyne.NewSize(float32(w), float32(gap+(120+cols-1)/cols*(size.Y+gap))))
	s := container.NewVScroll(box)
	s.Resize(fyne.NewSize(float32(w), float32(h)))
	return wall{root: s, scroll: func(y float32) { s.ScrollToOffset(fyne.NewPos(0, y)) }, pic: box.Objects[1].(*canvas.Image)}
}

type fixed fyne.Size

func (f fixed) Layout([]fyne.CanvasObject, fyne.Size) {}
func (f fixed) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.Size(f) }
