// Package lifeline ties a child process to its parent: the parent keeps the write end of a pipe open and never
// writes; when the parent dies, for whatever reason, the child reads the end of the pipe and stops.
package lifeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// EnvFD names the environment variable that holds the child's end of the pipe as a file descriptor number.
const EnvFD = "FOUNTAIN_LIFELINE_FD"

// ErrParentGone is the cause of the context when the parent's pipe closed.
var ErrParentGone = errors.New("parent process is gone")

// Watch returns a context that is cancelled with cause ErrParentGone when the parent's end of the pipe closes.
// Without EnvFD in env it returns ctx as it is (a process started by hand or by systemd).
func Watch(ctx context.Context, getenv func(string) string) (context.Context, error) {
	s := getenv(EnvFD)
	if s == "" {
		return ctx, nil
	}
	fd, err := strconv.Atoi(s)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("read %s=%q: want a file descriptor number of 3 or more", EnvFD, s)
	}
	f := os.NewFile(uintptr(fd), "lifeline")
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		// The only goroutine nobody waits for: it ends with the process or with the parent.
		var b [1]byte
		for {
			if n, err := f.Read(b[:]); n == 0 && err != nil {
				cancel(ErrParentGone)
				return
			}
		}
	}()
	return ctx, nil
}
