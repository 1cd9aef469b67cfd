package service

import (
	"os"
	"path/filepath"
	"syscall"
)

// mountPoint reports whether something else is mounted at dir: it lies on another device than its parent.
func mountPoint(dir string) bool {
	in, err := os.Stat(dir)
	if err != nil || !in.IsDir() {
		return false
	}
	up, err := os.Stat(filepath.Dir(dir))
	if err != nil {
		return false
	}
	a, ok := in.Sys().(*syscall.Stat_t)
	b, ok2 := up.Sys().(*syscall.Stat_t)
	return ok && ok2 && a.Dev != b.Dev
}
