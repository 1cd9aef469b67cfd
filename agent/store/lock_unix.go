//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"fountain/internal/problem"
)

// lockDir takes the directory for this process. bbolt locks its files too, but only once they are open: recovery moves
// files before that.
func lockDir(dir string, wait time.Duration) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, notWritable(dir, err)
	}
	const every = 20 * time.Millisecond
	for start := time.Now(); ; time.Sleep(every) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, err), f.Close())
		}
		if time.Since(start) >= wait {
			_ = f.Close() // nothing was written
			return nil, &problem.Problem{
				Code: problem.CodeConflict, Where: dir, What: "another process uses this state directory", Retry: true,
				Remedy: "stop the other fountaind, or give this one its own --state directory",
			}
		}
	}
}

// inode tells a file from a copy of it; 0 when the file system has none.
func inode(path string) uint64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(sys.Ino)
	}
	return 0
}
