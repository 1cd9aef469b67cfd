package lifeline

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestParentGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	inherited, err := syscall.Dup(int(r.Fd())) // Watch owns what it was given
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := Watch(t.Context(), func(string) string { return strconv.Itoa(inherited) })
	if err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatal("ended while the parent lives")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Fatal("the parent's end went unnoticed")
	}
	if !errors.Is(context.Cause(ctx), ErrParentGone) {
		t.Errorf("cause %v", context.Cause(ctx))
	}
}

func TestWithoutParent(t *testing.T) {
	ctx, err := Watch(t.Context(), func(string) string { return "" })
	if err != nil || ctx != t.Context() {
		t.Errorf("got %v, %v", ctx, err)
	}
	for _, bad := range []string{"x", "2", "-1"} {
		if _, err := Watch(t.Context(), func(string) string { return bad }); err == nil {
			t.Errorf("%q passed for a file descriptor", bad)
		}
	}
}
