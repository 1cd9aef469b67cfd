// Package linux is the hardware of a real machine, through the Linux kernel.
//
//	rig file ──► OpenI2C ──► i2c.BusCloser ──► hal/chips (expanders, pump drivers: not here yet)
//	         ──► line layer (valves, meters, interlocks on /dev/gpiochipN: not here yet)
//
// What there is: opening an I²C bus by number through periph, with errors a technician can act on. There is no hal.Rig
// here yet, and nothing pretends to be one: fountain-guard and fountaind refuse a rig other than "sim".
//
// The place of the line layer is this package, in files line_*.go. What it has to be (spec/hal.md 2 and 3):
//   - the kernel's GPIO character device uAPI v2 by ioctl, not periph's gpioioctl, whose Read of an output reconfigures
//     it as an input and whose first write pulses low: a valve would click open at every start;
//   - one request for all valves of an owner with their initial values (OUTPUT_VALUES), so that no start glitches;
//   - one request for all meters, event buffer 1024, read in batches by a locked thread, kernel time stamps
//     (CLOCK_MONOTONIC) and sequence numbers kept, so that every lost pulse shows in hal.Count.Lost;
//   - chips found by label, never by number, never through gpioreg (memory mapped: no owner, nothing released);
//   - at start it verifies what the rig file expects of the firmware (strict_gpiod) and refuses otherwise;
//   - it passes hal/haltest in the emulator before it is used on a machine.
//
// It may import hal, hal/rigfile, internal packages and periph.
package linux
