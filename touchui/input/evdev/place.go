//go:build linux

package evdev

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Matrix is a calibration as libinput has it: six numbers a b c d e f that turn a place on the panel, each side from 0
// to 1, into x' = a·x + b·y + c and y' = d·x + e·y + f. The zero Matrix changes nothing.
type Matrix [6]float64

// ParseMatrix reads six numbers apart by spaces or commas.
func ParseMatrix(s string) (m Matrix, err error) {
	fields := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\t' })
	if len(fields) != len(m) {
		return m, fmt.Errorf("%d numbers instead of six", len(fields))
	}
	for i, f := range fields {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil || math.IsNaN(v) || math.Abs(v) > 1000 {
			return Matrix{}, fmt.Errorf("%q is no number of a calibration", f)
		}
		m[i] = v
	}
	if m[0]*m[4]-m[1]*m[3] == 0 {
		return Matrix{}, fmt.Errorf("the numbers make a line of the panel")
	}
	return m, nil
}

// axis is the range of one direction, as the device tells it.
type axis struct{ min, max int32 }

// placer turns a device's place into a pixel of the panel.
func placer(x, y axis, m Matrix, w, h int) func(x, y int32) (int, int) {
	if m == (Matrix{}) {
		m = Matrix{1, 0, 0, 0, 1, 0}
	}
	share := func(v int32, a axis) float64 {
		n := float64(a.max) - float64(a.min)
		if n <= 0 {
			return 0
		}
		return (float64(v) - float64(a.min)) / (n + 1)
	}
	pixel := func(v float64, n int) int { return int(max(0, min(float64(n-1), math.Floor(v*float64(n))))) }
	return func(px, py int32) (int, int) {
		sx, sy := share(px, x), share(py, y)
		return pixel(m[0]*sx+m[1]*sy+m[2], w), pixel(m[3]*sx+m[4]*sy+m[5], h)
	}
}
