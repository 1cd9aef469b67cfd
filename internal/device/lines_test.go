//go:build linux

package device

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The plant sees what the kernel puts on its lines and answers on others: water flows when MASTER and a valve are at
// their open level, and every pulse of the meter is an edge in the kernel.
func TestPlantBehindLines(t *testing.T) {
	for _, tt := range []struct {
		rig  string
		open uint64
	}{{"emulator.yaml", 7}, {"emulator-low.yaml", 0}} {
		t.Run(tt.rig, func(t *testing.T) {
			b := newBoard(t, rigPath(tt.rig))
			dev, _, err := chipByLabel("rig")
			if err != nil {
				t.Fatal(err)
			}
			meters, err := requestLines(dev, flagInput|flagRising, nil, 3, 4)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(meters)
			shut := tt.open ^ 7
			valves, err := requestLines(dev, flagOutput, &shut, 0, 1, 2)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
			if ul := b.Plant().State().Cup.TotalUL; ul != 0 {
				t.Fatalf("%d µL flowed before a valve was open", ul)
			}
			if err := setLines(valves, tt.open, 3); err != nil {
				t.Fatal(err)
			}
			time.Sleep(200 * time.Millisecond)
			if ul := b.Plant().State().Cup.TotalUL; ul != 0 {
				t.Fatalf("%d µL flowed while the one-shot held the valve supply off", ul)
			}
			heart, err := requestLines(dev, flagOutput, nil, 10)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(heart)
			for i := range 40 {
				if err := setLines(heart, uint64(i+1)&1, 1); err != nil {
					t.Fatal(err)
				}
				time.Sleep(25 * time.Millisecond)
			}
			if err := setLines(valves, shut, 3); err != nil {
				t.Fatal(err)
			}
			time.Sleep(300 * time.Millisecond)
			s := b.Plant().State()
			if s.Cup.TotalUL < 50_000 || s.Cup.TotalUL > 100_000 {
				t.Errorf("%d µL in the cup after a second", s.Cup.TotalUL)
			}
			events := make([]byte, 48*1024)
			n, err := unix.Read(meters, events)
			if err != nil {
				t.Fatal(err)
			}
			// the buffer of a careless reader keeps the newest 16 a line: spec/hal.md 2
			if sent := b.Pulses("flow_still"); sent < 50 || n/48 > 32 || n/48 < 16 {
				t.Errorf("%d pulses sent, %d edges kept", sent, n/48)
			}
			if late := b.Late(); late > 10*time.Millisecond {
				t.Errorf("the plant stood still for %v", late)
			}
			if err := unix.Close(valves); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Millisecond)
			for _, id := range []string{"master", "still", "sparkling"} {
				if open, _ := b.Line(id); open {
					t.Errorf("%s is open although nobody drives it", id)
				}
			}
		})
	}
}
