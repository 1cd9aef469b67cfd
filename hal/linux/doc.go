// Package linux is the hardware of a real machine, through the Linux kernel.
//
//	control loop ──Apply──► outputs ──SET_VALUES──► /dev/gpiochipN          dead-man: a goroutine of its own
//	             ◄─Count──── counters ◄──events──── one reader thread ◄──── all meters of a chip, one request
//	             ◄─Now────── inputs ◄──GET_VALUES── and edges by the same reader; debounced here
//	             ──Dose────► linePumps (own thread) ──► lines
//	             ──Apply, Dose──► wish ──► bus worker (a goroutine each bus) ──► hal/chips ──► Bus ──► /dev/i2c-N
//	             ◄─Read───── sensor (a goroutine each) ◄── kernel files, ads1115
//
// The line layer is the kernel's GPIO character device, uAPI v2, by ioctl of our own. What it keeps to (spec/hal.md 2, 3):
//
//   - chips are found by label, never by number, and never memory mapped: a line has one owner, and the kernel knows it;
//   - the outputs of an owner on a chip are one request that carries their initial values, all shut, with active-low set
//     at the kernel: no line shows a level it was not told, and one write changes them together. On several chips, and
//     behind expanders, a group is written chip by chip;
//   - no output is ever read: what is commanded is remembered;
//   - an output that is not renewed in its max_open is shut here, whether or not the caller lives;
//   - the counters of a chip are one request with a buffer of 1024 events; what the kernel lost shows as gaps in its
//     numbering and is accounted for (see counters);
//   - a chip that fails stays failed to the caller until the rig is opened again (lines), or is made safe and told
//     (expander, doser): nothing that was open before a failure opens again by itself.
//
// Lines change within the caller's call. Behind an I²C chip the call states a wish and a worker writes it, usually within
// 2 ms: the control loop never waits for a wire, and an error comes back with the next call.
//
// Buses are periph's i2c.Bus and voltages its physic types. Lines are not offered as its gpio.PinIO: that contract has no
// dead-man, no time stamps, and a Read that an output must never have.
//
// Open owns everything it opens until Close. Rig.Safe and Beat apart, the rig belongs to one control loop, as hal says. The
// package may import hal, hal/rigfile, hal/chips, internal packages and periph (bus and unit types).
package linux
