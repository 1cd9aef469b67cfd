//go:build !linux

package store

import "os"

// exchange swaps two directories.
func exchange(a, b string) error {
	between := a + ".old"
	if err := os.Rename(b, between); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return err
	}
	return os.Rename(between, a)
}
