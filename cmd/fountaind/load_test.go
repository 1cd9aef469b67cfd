package main

import (
	"path/filepath"
	"testing"

	"fountain/agent/config"
)

// What a technician set on the unit is read from its state directory, over file and environment.
func TestTechnicianIsRead(t *testing.T) {
	o := options{config: filepath.Join("..", "..", "testdata", "config", "demo.yaml"), state: t.TempDir()}
	if err := config.SetTechnician(filepath.Join(o.state, config.TechnicianName), "unit.timezone", "Asia/Tokyo"); err != nil {
		t.Fatal(err)
	}
	cfg, err := o.load([]string{"FOUNTAIN_UNIT_TIMEZONE=Europe/Paris"})
	if err != nil || cfg.Location().String() != "Asia/Tokyo" {
		t.Errorf("%v, %v", cfg.Location(), err)
	}
}
