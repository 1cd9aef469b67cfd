// Package device proves the shipping arm64 programs on a real kernel, in an emulator: the same character devices,
// the same ioctls, the same deaths of processes as on a board, with a clock that counts instructions so that a busy
// host disturbs nothing.
//
//	internal/device/run (host) ──qemu──► internal/device/init (PID 1) ──► these tests
//	                                                                       │ gpio-sim, CUSE I²C, files
//	        hal/sim/lines (the plant behind the lines) ◄───────────────────┤
//	        hal/linux, fountaind, fountain-guard ◄─────────────────────────┘
//
// `make test-device` runs them; docs/DEVICE.md says what each proves. On a host `go test` runs only what needs no
// guest. The package holds no state; it may import anything below it.
package device
