package paint_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"image"
	"image/color"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
)

type primitive struct {
	name string
	o    fyne.CanvasObject
}

// primitives are all that Fyne can draw, in all the ways its types have.
func primitives() []primitive {
	red, glass := color.NRGBA{R: 220, G: 40, B: 50, A: 255}, color.NRGBA{R: 20, G: 160, B: 220, A: 120}
	rect := func(f func(*canvas.Rectangle)) fyne.CanvasObject {
		r := canvas.NewRectangle(red)
		f(r)
		return at(r, 20, 15, 150, 90)
	}
	text := func(s string, f func(*canvas.Text)) fyne.CanvasObject {
		x := canvas.NewText(s, red)
		x.TextSize = 31
		f(x)
		return at(x, 10, 20, 180, 70)
	}
	img := func(im image.Image, f func(*canvas.Image)) fyne.CanvasObject {
		i := canvas.NewImageFromImage(im)
		f(i)
		return at(i, 12, 9, 150, 100)
	}
	line := func(x0, y0, x1, y1, width float32) fyne.CanvasObject {
		l := canvas.NewLine(red)
		l.Position1, l.Position2, l.StrokeWidth = fyne.NewPos(x0, y0), fyne.NewPos(x1, y1), width
		return l
	}
	return []primitive{
		{"rectangle", rect(func(*canvas.Rectangle) {})},
		{"rectangle translucent", rect(func(r *canvas.Rectangle) { r.FillColor = glass })},
		{"rectangle rounded", rect(func(r *canvas.Rectangle) { r.CornerRadius = 28 })},
		{"rectangle rounded translucent", rect(func(r *canvas.Rectangle) { r.CornerRadius = 28; r.FillColor = glass })},
		{"rectangle pill", rect(func(r *canvas.Rectangle) { r.CornerRadius = canvas.RadiusMaximum })},
		{"rectangle corners", rect(func(r *canvas.Rectangle) { r.TopLeftCornerRadius, r.BottomRightCornerRadius = 30, 12 })},
		{"rectangle stroke", rect(func(r *canvas.Rectangle) { r.StrokeColor, r.StrokeWidth = glass, 5 })},
		{"rectangle stroke only rounded", rect(func(r *canvas.Rectangle) { r.FillColor, r.StrokeColor, r.StrokeWidth, r.CornerRadius = nil, red, 3, 20 })},
		{"rectangle aspect", rect(func(r *canvas.Rectangle) { r.Aspect, r.CornerRadius = 1, 9 })},
		{"rectangle aspect plain", rect(func(r *canvas.Rectangle) { r.Aspect = 2.5 })},
		{"circle", at(canvas.NewCircle(red), 30, 10, 100, 100)},
		{"circle stroke", at(&canvas.Circle{FillColor: glass, StrokeColor: red, StrokeWidth: 6}, 30, 10, 90, 100)},
		{"line", line(10, 15, 180, 95, 4)},
		{"line up", line(180, 15, 10, 95, 2)},
		{"line hair", line(20, 40, 180, 40, 1)},
		{"line upright", line(40, 10, 40, 100, 3)},
		{"polygon", at(canvas.NewPolygon(6, red), 30, 10, 100, 90)},
		{"polygon round stroke", at(&canvas.Polygon{Sides: 5, FillColor: glass, StrokeColor: red, StrokeWidth: 4, CornerRadius: 9, Angle: 20}, 30, 10, 100, 90)},
		{"arc", at(canvas.NewArc(-80, 95, 0.4, red), 30, 10, 100, 100)},
		{"arc stroke", at(&canvas.Arc{StartAngle: 20, EndAngle: 300, CutoutRatio: .6, CornerRadius: 5, FillColor: glass, StrokeColor: red, StrokeWidth: 3}, 30, 10, 100, 100)},
		{"linear gradient", at(canvas.NewLinearGradient(red, glass, 45), 11, 13, 150, 80)},
		{"vertical gradient", at(canvas.NewVerticalGradient(red, color.Transparent), 11, 13, 150, 80)},
		{"radial gradient", at(&canvas.RadialGradient{StartColor: red, EndColor: glass, CenterOffsetX: .2, CenterOffsetY: -.1}, 11, 13, 150, 80)},
		{"image exact", img(picture(150, 100, 1), func(*canvas.Image) {})},
		{"image exact opaque", img(opaque(picture(150, 100, 1)), func(*canvas.Image) {})},
		{"image smooth down", img(picture(400, 300, 2), func(*canvas.Image) {})},
		{"image smooth up", img(picture(40, 30, 2), func(*canvas.Image) {})},
		{"image pixels", img(picture(40, 30, 2), func(i *canvas.Image) { i.ScaleMode = canvas.ImageScalePixels })},
		{"image fastest", img(picture(40, 30, 2), func(i *canvas.Image) { i.ScaleMode = canvas.ImageScaleFastest })},
		{"image contain", img(picture(100, 100, 3), func(i *canvas.Image) { i.FillMode = canvas.ImageFillContain })},
		{"image cover", img(picture(100, 100, 3), func(i *canvas.Image) { i.FillMode = canvas.ImageFillCover })},
		{"image faded", img(picture(150, 100, 3), func(i *canvas.Image) { i.Translucency = .4 })},
		{"image rounded", img(opaque(picture(150, 100, 3)), func(i *canvas.Image) { i.CornerRadius = 24 })},
		{"raster", at(canvas.NewRaster(func(w, h int) image.Image { return picture(w, h, 4) }), 9, 8, 130, 90)},
		{"raster scaled", at(canvas.NewRaster(func(w, h int) image.Image { return opaque(picture(60, 40, 4)) }), 9, 8, 130, 90)},
		{"text", text("Ginger 250 ml", func(*canvas.Text) {})},
		{"text centre bold", text("Ginger", func(x *canvas.Text) { x.Alignment = fyne.TextAlignCenter; x.TextStyle.Bold = true })},
		{"text trailing italic", text("Quince fjord", func(x *canvas.Text) { x.Alignment = fyne.TextAlignTrailing; x.TextStyle.Italic = true })},
		{"text font source", text("Source 42", func(x *canvas.Text) { x.FontSource = theme.DefaultTextMonospaceFont() })},
		{"text theme colour", text("Theme", func(x *canvas.Text) { x.Color = nil })},
		{"text translucent", text("Glass Ä", func(x *canvas.Text) { x.Color = glass })},
		{"rectangle four corners", rect(func(r *canvas.Rectangle) {
			r.TopLeftCornerRadius, r.TopRightCornerRadius, r.BottomLeftCornerRadius, r.BottomRightCornerRadius = 5, 15, 25, 35
		})},
		{"rectangle corner over all", rect(func(r *canvas.Rectangle) {
			r.CornerRadius, r.TopRightCornerRadius, r.StrokeColor, r.StrokeWidth = 20, 3, red, 2.5
		})},
		{"square", at(canvas.NewSquare(red), 22, 9, 100, 70)},
		{"circle translucent, oblong", at(canvas.NewCircle(glass), 30, 10, 120, 70)},
		{"line translucent", at(&canvas.Line{StrokeColor: glass, StrokeWidth: 9, Position1: fyne.NewPos(20, 20), Position2: fyne.NewPos(150, 70)}, 20, 20, 130, 50)},
		{"polygon triangle", at(&canvas.Polygon{Sides: 3, FillColor: red, Angle: -45}, 30, 10, 100, 90)},
		{"arc backwards", at(canvas.NewArc(0, -230, 0.2, glass), 30, 10, 110, 90)},
		{"horizontal gradient", at(canvas.NewHorizontalGradient(glass, red), 11, 13, 150, 80)},
		{"steep gradient", at(canvas.NewLinearGradient(color.Transparent, red, 200), 11, 13, 90, 100)},
		{"image original", img(picture(150, 100, 2), func(i *canvas.Image) { i.FillMode = canvas.ImageFillOriginal })},
		{"image cover pixels", img(picture(40, 90, 3), func(i *canvas.Image) { i.FillMode, i.ScaleMode = canvas.ImageFillCover, canvas.ImageScalePixels })},
		{"image contain wide faded", img(picture(140, 30, 3), func(i *canvas.Image) { i.FillMode, i.Translucency = canvas.ImageFillContain, .7 })},
		{"image scaled rounded faded", img(picture(70, 60, 1), func(i *canvas.Image) { i.CornerRadius, i.Translucency = 30, .25 })},
		{"image paletted", img(paletted(150, 100), func(*canvas.Image) {})},
		{"raster pixels", at(canvas.NewRasterWithPixels(func(x, y, w, h int) color.Color { return color.NRGBA{byte(x), byte(y * 2), 90, byte(255 - x)} }), 9, 8, 130, 90)},
		{"raster scaled pixels", at(&canvas.Raster{ScaleMode: canvas.ImageScalePixels, Generator: func(int, int) image.Image { return picture(33, 21, 4) }}, 9, 8, 130, 90)},
		{"raster faded", at(&canvas.Raster{Translucency: .5, Generator: func(w, h int) image.Image { return picture(w, h, 1) }}, 9, 8, 130, 90)},
		{"text bold italic", text("Fjord bold", func(x *canvas.Text) { x.TextStyle = fyne.TextStyle{Bold: true, Italic: true} })},
		{"text monospace", text("0123 ml", func(x *canvas.Text) { x.TextStyle.Monospace = true })},
		{"text underlined", text("Quarry", func(x *canvas.Text) { x.TextStyle.Underline = true })},
		{"text tab", text("a\tb", func(x *canvas.Text) { x.TextStyle.TabWidth = 6 })},
		{"text symbol", text("\u2318 \u2190", func(x *canvas.Text) { x.TextStyle.Symbol = true })},
		{"text cut off", at(&canvas.Text{Text: "A long line that is wider than its box", TextSize: 29, Color: red}, -30, 60, 40, 20)},
		{"custom", at(&stripes{}, 15, 10, 120, 80)},
	}
}

// stripes is a type that is not Fyne's. Its painter draws what has a Generate.
type stripes struct {
	pos  fyne.Position
	size fyne.Size
}

func (s *stripes) Move(p fyne.Position)    { s.pos = p }
func (s *stripes) Position() fyne.Position { return s.pos }
func (s *stripes) Resize(z fyne.Size)      { s.size = z }
func (s *stripes) Size() fyne.Size         { return s.size }
func (s *stripes) MinSize() fyne.Size      { return fyne.NewSize(1, 1) }
func (s *stripes) Visible() bool           { return true }
func (s *stripes) Show()                   {}
func (s *stripes) Hide()                   {}
func (s *stripes) Refresh()                {}
func (s *stripes) Generate(w, h int) image.Image {
	im := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			im.SetNRGBA(x, y, color.NRGBA{R: byte(x), G: 200, B: byte(y), A: byte((x + y) / 8 % 3 * 120)})
		}
	}
	return im
}

func paletted(w, h int) image.Image {
	im := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Transparent, color.NRGBA{200, 10, 90, 255}, color.NRGBA{10, 200, 90, 120}})
	for i := range im.Pix {
		im.Pix[i] = byte(i / 7 % 3)
	}
	return im
}

func TestEveryPrimitiveLooksLikeFyne(t *testing.T) {
	test.NewTempApp(t).Settings().SetTheme(theme.DefaultTheme()) // has a font for every style
	for _, c := range primitives() {
		for _, scale := range []float32{1, 1.5, 2} {
			t.Run(fmt.Sprint(c.name, " x", scale), func(t *testing.T) {
				both(t, c.o, int(200*scale), int(120*scale), scale)
			})
		}
	}
}

// understood are the fields of Fyne's primitives that the painter knows. A type or field that is not here may be drawn
// wrong, or not be drawn again when it changes: teach the painter, add a case to primitives, then a line here.
var understood = map[string]string{
	"Arc":            "FillColor StartAngle EndAngle CornerRadius StrokeColor StrokeWidth CutoutRatio",
	"Circle":         "Position1 Position2 Hidden FillColor StrokeColor StrokeWidth",
	"Image":          "aspect icon isSVG lock File Resource Image Translucency FillMode ScaleMode previousRender CornerRadius",
	"Line":           "Position1 Position2 Hidden StrokeColor StrokeWidth",
	"LinearGradient": "StartColor EndColor Angle",
	"Polygon":        "FillColor StrokeColor StrokeWidth CornerRadius Sides Angle",
	"RadialGradient": "StartColor EndColor CenterOffsetX CenterOffsetY",
	"Raster":         "Generator ScaleMode Translucency", // which Fyne's software painter leaves out as well
	"Rectangle":      "FillColor StrokeColor StrokeWidth CornerRadius Aspect TopRightCornerRadius TopLeftCornerRadius BottomRightCornerRadius BottomLeftCornerRadius",
	"Text":           "Alignment Color Text TextSize TextStyle FontSource",
}

// Every type that Fyne's canvas package exports, with every field, is one the painter was taught.
func TestNoPrimitiveIsUnknown(t *testing.T) {
	list, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{range .GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}`, "fyne.io/fyne/v2/canvas").Output()
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range strings.Fields(string(list)) {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	drawn := map[string]bool{}
	for _, c := range primitives() {
		drawn[reflect.TypeOf(c.o).Elem().Name()] = true
	}
	seen := 0
	for _, f := range files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				ty, ok := spec.(*ast.TypeSpec)
				if !ok || !ty.Name.IsExported() {
					continue
				}
				st, ok := ty.Type.(*ast.StructType)
				if !ok {
					continue
				}
				seen++
				known, ok := understood[ty.Name.Name]
				if !ok || !drawn[ty.Name.Name] {
					t.Errorf("canvas.%s is new to the painter, or no case draws it", ty.Name.Name)
				}
				for _, field := range st.Fields.List {
					for _, n := range field.Names {
						if !strings.Contains(" "+known+" ", " "+n.Name+" ") {
							t.Errorf("canvas.%s.%s is new to the painter", ty.Name.Name, n.Name)
						}
					}
				}
			}
		}
	}
	if seen != len(understood) {
		t.Errorf("%d types in Fyne, %d understood", seen, len(understood))
	}
}
