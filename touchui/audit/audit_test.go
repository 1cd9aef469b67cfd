package audit_test

import (
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"fountain/touchui/art"
	"fountain/touchui/audit"
	"fountain/touchui/display"
	"fountain/touchui/display/mem"
	"fountain/touchui/kiosk"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
	"fountain/touchui/words"
)

// judge shows what build lays on a 400×400 sheet with 3 pixels a millimetre, and returns its faults.
func judge(t *testing.T, th theme.Theme, build func(*sheet.Sheet)) []audit.Fault {
	t.Helper()
	fonts, err := theme.LoadFonts()
	if err != nil {
		t.Fatal(err)
	}
	book, err := words.Open(words.English)
	if err != nil {
		t.Fatal(err)
	}
	disp := mem.New(400, 400, display.RGBA8888)
	app, err := kiosk.New(kiosk.Config{Display: disp, Theme: theme.Fyne{Roles: th.Roles}, Variant: 1})
	if err != nil {
		t.Fatal(err)
	}
	look := sheet.New(sheet.NewGeo(400, 400, 3), fonts, book, 1<<20)
	look.SetTheme(th)
	trace := audit.Watch(look)
	s := look.Sheet(th.Roles.BG, th.Roles.Ink)
	s.Box(0, 0, 400, 400, th.Roles.BG)
	build(s)
	root := container.NewWithoutLayout()
	s.Fill(root)
	app.SetContent(root)
	faults, err := trace.Page(t.Context(), app, disp.Image, 3) // the app does not run: this is the Fyne thread
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

func size(px float64) theme.Size { return theme.Size{PX: px, Line: 1.2, Cut: theme.Text} }

func pill(px float64, h, w int, r theme.Roles) sheet.ButtonStyle {
	return sheet.ButtonStyle{H: h, Width: w, PadL: 10, PadR: 10, Radius: 8, PX: px, Fill: r.Sunk, FG: r.Ink}
}

// The audit of a sound page is silent, and each planted fault is found, and found as what it is.
func TestPlantedFaults(t *testing.T) {
	light := theme.LightTheme()
	bad := light
	bad.Name = "bad"
	bad.Roles.InkSoft = theme.Hex("#A9B4B2") // 1.9 on the page
	bad.Roles.OnGo = theme.Hex("#2A7A58")
	long := "A sentence that is longer than the screen is wide by far"
	for _, c := range []struct {
		name  string
		th    theme.Theme
		build func(*sheet.Sheet)
		kind  audit.Kind // "": none
		what  string
	}{
		{"a sound page", light, func(s *sheet.Sheet) {
			s.Text("Soft words", 20, 20, size(20), art.Left)
			s.Button("ok", sheet.RoleButton, "Fine", pill(20, 60, 120, s.Roles), 20, 60, nil)
			s.Button("ok2", sheet.RoleButton, "Fine too", pill(20, 60, 120, s.Roles), 150, 60, nil)
		}, "", ""},
		{"a bad theme: soft ink", bad, func(s *sheet.Sheet) {
			s.Ink = s.Roles.InkSoft
			s.Text("Soft words", 20, 20, size(20), art.Left)
		}, audit.Contrast, "#A9B4B2"},
		{"a bad theme: a button", bad, func(s *sheet.Sheet) {
			b := pill(22, 60, 120, s.Roles)
			b.Fill, b.FG = s.Roles.Go, s.Roles.OnGo
			s.Button("go", sheet.RoleButton, "Pour", b, 20, 60, nil)
		}, audit.Contrast, "Pour"},
		{"a good theme, text across two colours", light, func(s *sheet.Sheet) {
			s.Box(100, 0, 300, 60, s.Roles.Ink)
			s.Text("Half on the dark", 20, 20, size(20), art.Left)
		}, audit.Contrast, "is 1.00"},
		{"no contrast at all", light, func(s *sheet.Sheet) {
			s.Ink = s.Roles.BG
			s.Text("Nothing to see", 20, 20, size(20), art.Left)
		}, audit.Contrast, "is 1.00"},
		{"a target of 13 mm", light, func(s *sheet.Sheet) {
			s.Button("small", sheet.RoleButton, "Tiny", pill(20, 39, 120, s.Roles), 20, 60, nil)
		}, audit.Target, "13.0 mm"},
		{"keys count their gaps", light, func(s *sheet.Sheet) {
			for i := range 4 {
				s.Button("key."+string(rune('a'+i)), sheet.RoleKey, "A", pill(20, 40, 40, s.Roles), 20+i%2*46, 60+i/2*46, nil)
			}
		}, "", ""},
		{"keys too close", light, func(s *sheet.Sheet) {
			for i := range 4 {
				s.Button("key."+string(rune('a'+i)), sheet.RoleKey, "A", pill(20, 38, 38, s.Roles), 20+i%2*40, 60+i/2*40, nil)
			}
		}, audit.Target, "key.a"},
		{"targets on each other", light, func(s *sheet.Sheet) {
			s.Button("one", sheet.RoleButton, "I", pill(20, 60, 120, s.Roles), 20, 60, nil)
			s.Button("two", sheet.RoleButton, "II", pill(20, 60, 120, s.Roles), 20, 110, nil)
		}, audit.Target, "lies on two"},
		{"text beyond the screen", light, func(s *sheet.Sheet) { s.Text(long, 20, 20, size(24), art.Left) }, audit.Overflow, "beyond the screen"},
		{"text wider than its button", light, func(s *sheet.Sheet) {
			s.Button("wide", sheet.RoleButton, long, pill(20, 60, 120, s.Roles), 20, 60, nil)
		}, audit.Overflow, "cuts it off"},
		{"text over text", light, func(s *sheet.Sheet) {
			s.Text("One line of words", 20, 20, size(24), art.Left)
			s.Text("Another line of words", 40, 30, size(24), art.Left)
		}, audit.Overflow, "stands on"},
		{"text into a button", light, func(s *sheet.Sheet) {
			s.Button("ok", sheet.RoleButton, "", pill(20, 60, 120, s.Roles), 120, 10, nil)
			s.Text("Runs into the button", 20, 20, size(24), art.Left)
		}, audit.Overflow, "runs into ok"},
		{"text under a box", light, func(s *sheet.Sheet) {
			s.Text("Half of it is covered", 20, 20, size(24), art.Left)
			s.Box(150, 0, 200, 60, s.Roles.BG)
		}, audit.Overflow, "partly covered"},
		{"wider than where it scrolls", light, func(s *sheet.Sheet) {
			in := s.Look.Sheet(s.BG, s.Ink)
			in.Text(long, 0, 20, size(24), art.Left)
			sc := container.NewVScroll(in.Container(300, 800))
			sc.Resize(fyne.NewSize(300, 300))
			s.Add(sc)
		}, audit.Overflow, "wider than where it scrolls"},
		{"scrolled half out of sight", light, func(s *sheet.Sheet) {
			in := s.Look.Sheet(s.BG, s.Ink)
			in.Text("A line at the edge", 0, 285, size(30), art.Left)
			in.Button("peek", sheet.RoleButton, "Peeks", pill(20, 60, 120, s.Roles), 150, 270, nil)
			sc := container.NewVScroll(in.Container(300, 800))
			sc.Resize(fyne.NewSize(300, 300))
			s.Add(sc)
		}, audit.Overflow, "runs into peek"},
	} {
		t.Run(c.name, func(t *testing.T) {
			faults := judge(t, c.th, c.build)
			found := false
			for _, f := range faults {
				t.Log(f)
				found = found || f.Kind == c.kind && strings.Contains(f.String(), c.what)
				if f.Kind != c.kind && c.what != "stands on" { // ink on ink has no contrast either
					t.Errorf("also: %s", f)
				}
			}
			if c.kind != "" && !found {
				t.Errorf("%s was not found", c.kind)
			}
		})
	}
}
