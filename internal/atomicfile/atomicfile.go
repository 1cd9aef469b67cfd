// Package atomicfile replaces a file so that a reader, or a power cut, sees either the old content or the new.
package atomicfile

import (
	"fmt"
	"os"
	"path/filepath"
)

// Write replaces path with data: temporary file in the same directory, fsync, rename, fsync of the directory.
// On error the old file is untouched and no temporary file is left.
func Write(path string, data []byte, mode os.FileMode) error {
	return WriteFunc(path, mode, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// WriteFunc is Write for content that is made while it is written: fill writes the temporary file, in any order. An
// error of fill is an error like any other.
func WriteFunc(path string, mode os.FileMode, fill func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()           // already failing; the first error is the one to tell
			_ = os.Remove(f.Name()) // best effort
		}
	}()
	if err = f.Chmod(mode); err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	if err = fill(f); err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	if err = f.Sync(); err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	if err = f.Close(); err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	return SyncDir(dir)
}

// SyncDir makes renames, creations and removals in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
