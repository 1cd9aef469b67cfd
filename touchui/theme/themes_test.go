package theme

import (
	"errors"
	"strings"
	"testing"

	"fountain/internal/problem"
)

// Every theme opens, has every role, and can be read.
func TestThemes(t *testing.T) {
	for _, name := range Names() {
		th, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		for k, c := range th.Roles.byName() {
			if c.A != 255 {
				t.Errorf("%s lacks %s", name, k)
			}
		}
		if th.Name != name {
			t.Errorf("%s calls itself %s", name, th.Name)
		}
	}
	if _, err := Named("nowhere"); err == nil || !strings.Contains(err.Error(), "high-contrast") {
		t.Errorf("an unknown theme: %v", err)
	}
	if th := HighContrastTheme(); !th.HighContrast || !th.Roles.Plain {
		t.Error("high contrast is not plain")
	}
	th, _ := Named(StarfallName)
	if th.LevelEdge != Ridge || th.Hero == nil || len(th.Posters) != 3 || th.Roles.Stop != Dark().Stop {
		t.Errorf("starfall: %+v", th)
	}
}

// A campaign sets colours, the edge, a hero and posters; everything else is refused with its place and a remedy.
func TestCampaignThemes(t *testing.T) {
	ok := `{"name":"x","extends":"light","roles":{"bg":"#FFFFFF"},"levelEdge":"ridge"}`
	th, err := Load(strings.NewReader(ok))
	if err != nil || th.Roles.BG != Hex("#FFFFFF") || th.Roles.Ink != Light().Ink || th.LevelEdge != Ridge {
		t.Fatalf("%+v %v", th, err)
	}
	for _, tc := range []struct{ name, file, where string }{
		{"no base", `{"name":"x","roles":{}}`, "extends"},
		{"another base", `{"name":"x","extends":"high-contrast","roles":{}}`, "extends"},
		{"stop", `{"name":"x","extends":"dark","roles":{"stop":"#00FF00"}}`, "roles.stop"},
		{"warn", `{"name":"x","extends":"dark","roles":{"onWarn":"#000000"}}`, "roles.onWarn"},
		{"sizes", `{"name":"x","extends":"dark","type":{"name":60}}`, "type"},
		{"contrast mode", `{"name":"x","extends":"dark","highContrast":true}`, "highContrast"},
		{"unknown role", `{"name":"x","extends":"dark","roles":{"glow":"#000000"}}`, "roles.glow"},
		{"bad colour", `{"name":"x","extends":"dark","roles":{"bg":"red"}}`, "roles.bg"},
		{"edge", `{"name":"x","extends":"dark","levelEdge":"zigzag"}`, "levelEdge"},
		{"four posters", `{"name":"x","extends":"dark","posters":[{},{},{},{}]}`, "posters[3]"},
		{"unreadable", `{"name":"x","extends":"light","roles":{"inkSoft":"#C0C8C6"}}`, "roles.inkSoft"},
		{"unreadable poster", `{"name":"x","extends":"light","posters":[{"palette":{"primary":"#777777","ink":"#888888"}}]}`, "posters[0].palette.ink"},
	} {
		_, err := Load(strings.NewReader(tc.file))
		var p *problem.Problem
		if !errors.As(err, &p) || p.Where != tc.where || p.Remedy == "" {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestContrastOfBlackAndWhite(t *testing.T) {
	if c := Contrast(Hex("#000000"), Hex("#FFFFFF")); c < 20.99 || c > 21.01 {
		t.Errorf("%.2f", c)
	}
	if c := Contrast(Hex("#777777"), Hex("#FFFFFF")); c > 4.5 || c < 4.4 {
		t.Errorf("grey: %.2f", c) // the well known grey that just fails
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(`{"name":"x","extends":"light","roles":{"bg":"#FFFFFF"},"levelEdge":"ridge"}`)
	f.Fuzz(func(t *testing.T, s string) {
		if th, err := Load(strings.NewReader(s)); err == nil && th.Check() != nil {
			t.Error("took a theme nobody can read")
		}
	})
}
