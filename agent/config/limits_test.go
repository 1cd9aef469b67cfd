package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func loadText(t *testing.T, text string, environ ...string) (*Config, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := Check(path, environ)
	words := ""
	for _, p := range problems {
		words += p.Where + ": " + p.What + "; "
	}
	return c, words
}

// What warns has to come before what blocks, and nothing but the file sets a limit.
func TestLimitsMakeSense(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"warn above block", "limits: {water_warn_c: 9}", "limits.water_block_c is 8, not above limits.water_warn_c 9"},
		{"gas the wrong way", "limits: {co2_warn_kpa: 300}", "limits.co2_warn_kpa is 300, not above limits.co2_block_kpa 414"},
		{"cabinet", "limits: {cabinet_min_c: 40}", "limits.cabinet_max_c is 32.2"},
		{"not a number", "limits: {water_warn_c: .nan}", "limits.water_warn_c is NaN"},
		{"out of range", "limits: {temp_delay: 48h}", "limits.temp_delay is 48h"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, got := loadText(t, c.text); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	if _, got := loadText(t, "", "FOUNTAIN_LIMITS_WATER_BLOCK_C=30"); !strings.Contains(got, "cannot be set by the environment") {
		t.Errorf("a limit from the environment: %q", got)
	}
	if c, got := loadText(t, "limits: {water_block_c: 10}\nstock: {low_servings: 3}"); got != "" || c.Limits.WaterBlock != 10 || c.Stock.LowServings != 3 || c.Limits.CO2Warn != 552 {
		t.Errorf("%s: %+v", got, c)
	}
}
