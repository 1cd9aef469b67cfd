//go:build linux

package lines

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fountain/hal"
	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

// sensorFile is one slow reading: a kernel file's place, or a channel of an ADC.
type sensorFile struct {
	sensor rigfile.Sensor
	path   string
	adc    *model
	value  float64 // in the unit of its role
	broken bool
	dirty  bool
}

// resting is what a sensor of a role reads on a machine in good order.
var resting = map[hal.Role]float64{
	hal.RoleWaterTemp: 3, hal.RoleCabinetTemp: 5, hal.RoleWaterPressure: 300, hal.RoleCO2Pressure: 500,
}

// makeSensors finds the place of every sensor. A path of the kernel's own cannot be played by a file: such a rig file is
// refused.
func (b *Board) makeSensors(root string) error {
	for _, s := range b.rig.Sensors {
		f := &sensorFile{sensor: s, value: resting[s.Role], dirty: true}
		if s.Kind == rigfile.SensorADC {
			for _, m := range b.models {
				if m.chip.ID == s.Chip {
					f.adc = m
				}
			}
		} else {
			f.path = filepath.Join(root, strings.ReplaceAll(s.Path, "*", "sim"))
			if strings.HasPrefix(f.path, "/sys/") || strings.HasPrefix(f.path, "/proc/") {
				return &problem.Problem{
					Code: problem.CodeBadConfig, Where: b.rig.Path + ": sensor " + s.ID, What: f.path + " belongs to the kernel; the plant cannot write there",
					Remedy: "name a path in /run for a rig file of the emulator",
				}
			}
			if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
				return err
			}
		}
		b.files = append(b.files, f)
	}
	return b.writeSensors()
}

// writeSensors brings what has changed to where it is read.
func (b *Board) writeSensors() error {
	for _, f := range b.files {
		if !f.dirty {
			continue
		}
		f.dirty = false
		raw := (f.value - f.sensor.Offset) / f.sensor.Scale
		switch {
		case f.adc != nil:
			if f.broken {
				raw = 0 // the wire is cut: the input's pull-down wins
			}
			f.adc.adc.Set(f.sensor.Channel, raw)
		case f.broken:
			if err := os.Remove(f.path); err != nil && !os.IsNotExist(err) {
				return err
			}
		default: // replaced as a whole: a reader never sees half a number
			next := f.path + ".new"
			if err := os.WriteFile(next, []byte(strconv.FormatFloat(raw, 'f', 0, 64)+"\n"), 0o644); err != nil {
				return err
			}
			if err := os.Rename(next, f.path); err != nil {
				return err
			}
		}
	}
	return nil
}

// SetSensor makes a sensor's true value v, in the unit of its role.
func (b *Board) SetSensor(id string, v float64) error {
	return b.sensor(id, func(f *sensorFile) { f.value = v })
}

// BreakSensor cuts a sensor's wire, or mends it.
func (b *Board) BreakSensor(id string, on bool) error {
	return b.sensor(id, func(f *sensorFile) { f.broken = on })
}

func (b *Board) sensor(id string, change func(*sensorFile)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.files {
		if f.sensor.ID == id {
			change(f)
			f.dirty = true
			return b.writeSensors()
		}
	}
	return fmt.Errorf("sensor %q: %w", id, hal.ErrUnknownPart)
}
