package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

func TestPanel(t *testing.T) {
	for s, want := range map[string][2]float64{"": {}, "398x708": {398, 708}, "217.2x135.8": {217.2, 135.8}} {
		if why := panelSize(s); why != "" {
			t.Errorf("%q is refused: %s", s, why)
		}
		if w, h := (Unit{PanelMM: s}).Panel(); [2]float64{w, h} != want {
			t.Errorf("%q is %g x %g", s, w, h)
		}
	}
	for _, s := range []string{"398", "398x", "x708", "398x708x1", "0x0", "-398x708", "NaNx708", "Infx708", "398 x 708", "39x708", "398x3001", "1e9x5"} {
		if panelSize(s) == "" {
			t.Errorf("%q is taken", s)
		}
	}
}

// Whatever is set, no password leaves the configuration, and a good address is taken.
func TestProxyIsMasked(t *testing.T) {
	tech := filepath.Join(t.TempDir(), TechnicianName)
	if err := SetTechnician(tech, "cloud.proxy", "http://unit:hunter2@proxy:3128"); err != nil {
		t.Fatal(err)
	}
	c, err := LoadLayers(Layers{Technician: tech})
	if err != nil || c.Cloud.Proxy != "http://unit:hunter2@proxy:3128" {
		t.Fatalf("%v, %v", c, err)
	}
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); strings.Contains(s, "hunter2") || !strings.Contains(s, "http://unit@proxy:3128") {
		t.Errorf("printed:\n%s", s)
	}
	for _, v := range c.Values() {
		if s, ok := v.Value.(string); ok && strings.Contains(s, "hunter2") {
			t.Errorf("%s tells the password: %s", v.Key, s)
		}
	}
	for _, s := range []string{"https://a:hunter2@p:1", "http://a:hunter2@p", "http://a:hunter2@p:0", "http://a:hunter2@p:99999", "http://a:hun ter2@p:3128", "http://a:hunter2@:80/x?y", "socks5://a:hunter2@p:1080"} {
		err := SetTechnician(tech, "cloud.proxy", s)
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%s: %v", s, err)
		}
	}
	if err := SetTechnician(tech, "cloud.proxy", ""); err != nil {
		t.Errorf("no proxy any more: %v", err)
	}
}

func TestTechnicianSetsTheScreen(t *testing.T) {
	tech := filepath.Join(t.TempDir(), TechnicianName)
	for key, value := range map[string]string{
		"unit.languages": "en, de,ja", "unit.units": "both", "unit.panel_mm": "398x708", "unit.phone_url": "https://pour.example/417",
		"unit.mixes": "false", "unit.speech": "default",
	} {
		if err := SetTechnician(tech, key, value); err != nil {
			t.Fatal(err)
		}
	}
	c, err := LoadLayers(Layers{Technician: tech})
	if err != nil || len(c.Refused) > 0 {
		t.Fatalf("%v %v", err, c.Refused)
	}
	if u := c.Unit; strings.Join(u.Languages, ",") != "en,de,ja" || u.Units != "both" || u.PanelMM != "398x708" || u.Mixes || u.Speech != "default" || u.PhoneURL == "" {
		t.Errorf("%+v", u)
	}
	for key, value := range map[string]string{"unit.languages": "en,en", "unit.units": "cups", "unit.mixes": "no", "unit.phone_url": "http://u:p@h/", "unit.speech": "$(reboot)"} {
		if err := SetTechnician(tech, key, value); err == nil {
			t.Errorf("%s takes %q", key, value)
		}
	}
}

// A proxy that is typed without its scheme, or whose password has a sign of addresses in it, is refused or kept; either way
// nothing tells the password: what is refused goes into the audit trail, and from there into diagnostics.
func TestProxyThatIsMistyped(t *testing.T) {
	for _, v := range []string{
		"unit:hunter2@proxy:3128", "http:unit:hunter2@proxy:3128", "http//unit:hunter2@proxy:3128", "http://unit:hunter2@proxy",
		"http://unit:hun@ter2@proxy:0", "unit:hun/ter2@proxy:3128", "http://unit:hunter2 @proxy:3128",
	} {
		err := SetTechnician(filepath.Join(t.TempDir(), TechnicianName), "cloud.proxy", v)
		if err == nil || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%s: %v", v, err)
		}
	}
	if got := Masked("http://unit:hun@ter2@proxy:3128"); strings.Contains(fmt.Sprint(got), "ter2") {
		t.Errorf("shown as %v", got)
	}
}
