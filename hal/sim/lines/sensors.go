//go:build linux

package lines

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"fountain/hal/rigfile"
	"fountain/internal/problem"
)

// sensorFile is one slow reading: a kernel file's place, or a channel of an ADC.
type sensorFile struct {
	sensor rigfile.Sensor
	path   string
	adc    *model
	shown  float64 // raw, as last written
	broken bool
	fresh  bool // nothing written yet
}

// makeSensors finds the place of every sensor. A path of the kernel's own cannot be played by a file: such a rig file is
// refused.
func (b *Board) makeSensors(root string) error {
	for _, s := range b.rig.Sensors {
		f := &sensorFile{sensor: s, fresh: true}
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
	for i, f := range b.files {
		value, sound := b.wires.Sensor(i)
		raw := math.Round((value - f.sensor.Offset) / f.sensor.Scale)
		if !f.fresh && raw == f.shown && sound == !f.broken {
			continue
		}
		f.shown, f.broken, f.fresh = raw, !sound, false
		switch {
		case f.adc != nil:
			if f.broken {
				raw = 0 // the wire is cut: the input's pull-down wins
			}
			f.adc.adc.Set(f.sensor.Channel, raw)
		case f.broken:
			if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
