//go:build linux

// Package vt keeps the kernel's text console off a panel while the touch screen draws on it, and gives it back. It may
// import x/sys and internal/logkey; it holds one open file, no other state.
package vt

import (
	"errors"
	"log/slog"
	"sync"

	"golang.org/x/sys/unix"

	"fountain/internal/logkey"
)

// From the kernel's include/uapi/linux/kd.h.
const (
	kdSetMode  = 0x4b3a
	kdText     = 0
	kdGraphics = 1
)

// Graphics stops the console from drawing (its text and its cursor) until restore is called. A machine without a
// console, or a user who may not reach it, is no error: the kernel draws on no panel that a DRM master holds, and on a
// plain frame buffer a boot without a console on it does as well.
func Graphics(log *slog.Logger) (restore func()) { return graphics("/dev/tty0", log) }

func graphics(path string, log *slog.Logger) (restore func()) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		log.Debug("no text console to switch off", logkey.Path, path, logkey.Err, err)
		return func() {}
	}
	if err := unix.IoctlSetInt(fd, kdSetMode, kdGraphics); err != nil {
		log.Debug("switch off the text console", logkey.Path, path, logkey.Err, err)
		_ = unix.Close(fd)
		return func() {}
	}
	// Always text, whatever was before: a screen that was killed has left graphics behind.
	var once sync.Once
	return func() {
		once.Do(func() {
			if err := unix.IoctlSetInt(fd, kdSetMode, kdText); err != nil && !errors.Is(err, unix.EIO) {
				log.Warn("give the text console back", logkey.Path, path, logkey.Err, err)
			}
			_ = unix.Close(fd)
		})
	}
}
