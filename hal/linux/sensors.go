package linux

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fountain/hal"
	"fountain/hal/rigfile"
)

// defaultPoll is how often a sensor is read when the rig file does not say.
const defaultPoll = time.Second

// sensor is polled by a goroutine of its own, because a kernel file may block (w1_therm converts for 750 ms).
//
// A value outside the plausible range is Bad at once: the sensor is open, shorted or another one. A poll that fails leaves the
// last value; it turns Stale after three periods and says why.
type sensor struct {
	cfg rigfile.Sensor
	raw func(ctx context.Context) (float64, error)
	now func() time.Duration

	mu    sync.Mutex
	last  hal.Reading
	stale string // what Read says once the value is old
	asked bool   // polled at least once
}

func newSensor(cfg rigfile.Sensor, now func() time.Duration, raw func(context.Context) (float64, error)) *sensor {
	if cfg.Every <= 0 {
		cfg.Every = defaultPoll
	}
	if cfg.Scale == 0 {
		cfg.Scale = 1
	}
	return &sensor{cfg: cfg, raw: raw, now: now, last: hal.Reading{Quality: hal.Bad, Why: "not read yet"}}
}

// Read implements hal.Sensor.
func (s *sensor) Read() hal.Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.last
	if r.Quality == hal.Good && s.now()-r.At > 3*s.cfg.Every {
		r.Quality, r.Why = hal.Stale, s.stale
	}
	return r
}

// fault is what Health says of it; empty when the reading is good, or none could be there yet.
func (s *sensor) fault() string {
	r := s.Read()
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Quality == hal.Good || !s.asked {
		return ""
	}
	return "no good reading: " + r.Why
}

// run polls until ctx ends.
func (s *sensor) run(ctx context.Context) {
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	for {
		s.poll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *sensor) poll(ctx context.Context) {
	v, err := s.raw(ctx)
	at := s.now()
	v = v*s.cfg.Scale + s.cfg.Offset
	r := hal.Reading{Value: v, At: at}
	stale := "the sensor's file has not been read in time"
	bounded := s.cfg.Min != 0 || s.cfg.Max != 0
	switch {
	case err != nil:
		stale = err.Error()
	case math.IsNaN(v) || math.IsInf(v, 0):
		r.Quality, r.Why = hal.Bad, "the sensor gives no number"
	case bounded && (v < s.cfg.Min || v > s.cfg.Max):
		r.Quality, r.Why = hal.Bad, fmt.Sprintf("%.1f is outside the plausible range of %g to %g: the sensor is open, shorted or another one", v, s.cfg.Min, s.cfg.Max)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale, s.asked = stale, true
	switch {
	case err == nil:
		s.last = r
	case s.last.Quality != hal.Good:
		s.last.Quality, s.last.Why = hal.Bad, stale
	}
}

// maxSensorFile bounds what is read of a sensor's file: the longest of the kernel's (w1_slave) has 75 bytes.
const maxSensorFile = 4096

// fileRaw reads the one file that matches pattern: w1_therm, IIO or hwmon under /sys.
func fileRaw(root, pattern string) func(context.Context) (float64, error) {
	return func(context.Context) (float64, error) {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return 0, fmt.Errorf("look for %s: %w", pattern, err)
		}
		switch len(found) {
		case 0:
			return 0, fmt.Errorf("no file %s: the sensor is not connected or its driver is not loaded", pattern)
		case 1:
		default:
			slices.Sort(found)
			return 0, fmt.Errorf("%d sensors match %s (%s, …): name one", len(found), pattern, found[0])
		}
		f, err := os.Open(found[0])
		if err != nil {
			return 0, err
		}
		defer f.Close()
		b := make([]byte, maxSensorFile)
		n, err := f.Read(b)
		if n == 0 {
			return 0, fmt.Errorf("read %s: %w", found[0], errors.Join(errEmpty, err))
		}
		return parseRaw(string(b[:n]))
	}
}

var errEmpty = errors.New("nothing in it")

// parseRaw reads a kernel file's number: one alone, or the two lines of w1_slave with their check sum's verdict.
func parseRaw(s string) (float64, error) {
	s = strings.TrimSpace(s)
	if _, t, ok := strings.Cut(s, " t="); ok {
		if !strings.Contains(s, "YES") {
			return 0, errors.New("the sensor's check sum is wrong")
		}
		s = t
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%.20q is no number", s)
	}
	return v, nil
}
