package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fountain/internal/problem"
)

func TestTechnicianWins(t *testing.T) {
	tech := filepath.Join(t.TempDir(), TechnicianName)
	layers := Layers{File: filepath.Join(samples, "demo.yaml"), Environ: []string{"FOUNTAIN_UNIT_TIMEZONE=Asia/Tokyo"}, Technician: tech}
	c, err := LoadLayers(layers)
	if err != nil || c.Unit.Timezone != "Asia/Tokyo" {
		t.Fatalf("without a technician's file: %+v, %v", c, err)
	}
	for key, value := range map[string]string{"unit.timezone": "America/Lima", "unit.language": "pt-BR"} {
		if err := SetTechnician(tech, key, value); err != nil {
			t.Fatal(err)
		}
	}
	if c, err = LoadLayers(layers); err != nil {
		t.Fatal(err)
	}
	if c.Unit.Timezone != "America/Lima" || c.Unit.Language != "pt-BR" || len(c.Refused) != 0 {
		t.Errorf("got %+v, refused %v", c.Unit, c.Refused)
	}
	if o := c.Origin("unit.timezone"); o.Kind != FromTechnician || !strings.HasPrefix(o.Where, tech+":") {
		t.Errorf("origin %v", o)
	}
	if err := SetTechnician(tech, "unit.timezone", "Europe/Paris"); err != nil {
		t.Fatal(err)
	}
	if set, err := Technician(tech); err != nil || set["unit.timezone"] != "Europe/Paris" || set["unit.language"] != "pt-BR" {
		t.Errorf("after a second change: %v, %v", set, err)
	}
}

// A technician's file that is no good never keeps a unit from starting.
func TestTechnicianRefused(t *testing.T) {
	for _, c := range []struct{ name, body, where, what string }{
		{"no zone", "unit:\n  timezone: Mars/Olympus\n", ":2", "unit.timezone"},
		{"not a technician's", "unit:\n  timezone: Europe/Rome\npour:\n  max_ml: 2000\n", ":4", "pour.max_ml is not a technician's"},
		{"unknown", "colour: red\n", ":1", "unknown key"},
		{"no YAML", "\tunit", "", "not YAML"},
		{"cut", "unit:\n  timezone", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tech := filepath.Join(t.TempDir(), TechnicianName)
			if err := os.WriteFile(tech, []byte(c.body), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := LoadLayers(Layers{File: filepath.Join(samples, "demo.yaml"), Technician: tech})
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Unit.Timezone != "Europe/Berlin" || len(cfg.Refused) == 0 {
				t.Fatalf("%+v, refused %v", cfg.Unit, cfg.Refused)
			}
			if p := cfg.Refused[0]; !strings.Contains(p.Where, c.where) || !strings.Contains(p.What, c.what) {
				t.Errorf("refused because of %v", p)
			}
			// Setting a value mends the file; a readable one whose values are wrong is kept aside only if it has to be.
			if err := SetTechnician(tech, "unit.timezone", "Europe/Oslo"); err != nil {
				t.Fatal(err)
			}
			if cfg, err = LoadLayers(Layers{Technician: tech}); err != nil || cfg.Unit.Timezone != "Europe/Oslo" || len(cfg.Refused) > 0 {
				t.Errorf("mended: %+v, %v", cfg, err)
			}
		})
	}
}

func TestSetTechnicianRefuses(t *testing.T) {
	tech := filepath.Join(t.TempDir(), TechnicianName)
	for _, c := range [][3]string{
		{"unit.timezone", "Berlin", "IANA"},
		{"unit.language", "german", "language tag"},
		{"pour.max_ml", "2000", "configuration file"},
		{"no.such", "x", "configuration file"},
		{"unit.language", "", "language tag"},
	} {
		err := SetTechnician(tech, c[0], c[1])
		if p := problem.From(err); err == nil || p.Code != problem.CodeBadRequest || !strings.Contains(p.Remedy, c[2]) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if _, err := os.Stat(tech); err == nil {
		t.Error("a refused value made the file")
	}
}
