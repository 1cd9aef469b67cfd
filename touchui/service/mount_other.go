//go:build !linux

package service

// mountPoint: media are looked for on Linux only.
func mountPoint(string) bool { return false }
