package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"fountain/agent/apiserver"
)

// pty is a person's terminal: what the command prints collects in seen.
type pty struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	gone   chan struct{}

	mu   sync.Mutex
	seen bytes.Buffer
}

func newPTY(t *testing.T, columns uint16) *pty {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("every Linux has pseudo terminals: %v", err)
	}
	m := os.NewFile(uintptr(fd), "ptmx") // by its number, not by Fd(): that would make it block for ever
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	s, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	p := &pty{t: t, master: m, slave: s, gone: make(chan struct{})}
	go func() {
		defer close(p.gone)
		b := make([]byte, 4096)
		for {
			n, err := m.Read(b)
			p.mu.Lock()
			p.seen.Write(b[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_, _ = m.WriteString("\n\x04") // ends the command's reader of the terminal
		_ = m.Close()
		_ = s.Close()
		<-p.gone
	})
	return p
}

func (p *pty) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// await waits until the terminal shows what, counted from the end of what was awaited before.
func (p *pty) await(from *int, what string) {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		s := p.text()
		if i := strings.Index(s[*from:], what); i >= 0 {
			*from += i + len(what)
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("the terminal never shows %q; since then:\n%s", what, s[*from:])
		}
	}
}

func (p *pty) typed(s string) {
	p.t.Helper()
	if _, err := p.master.WriteString(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pty) echo() bool {
	tio, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	if err != nil {
		p.t.Fatal(err)
	}
	return tio.Lflag&unix.ECHO != 0
}

// silence waits until the echo is off.
func (p *pty) silence() {
	p.t.Helper()
	for end := time.Now().Add(time.Minute); p.echo(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatal("the echo stays on")
		}
	}
}

// unitAt serves a fake unit and returns its socket.
func unitAt(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "fctl")
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeService()
	u := &unit{changed: make(chan struct{})}
	s := apiserver.New(apiserver.Config{Dir: dir, Log: slog.New(slog.DiscardHandler), Admin: apiserver.Admin{Setup: fakeSetup{f}}}, u, u)
	path := filepath.Join(dir, "ops.sock")
	stop, err := serveService(path, s, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = os.RemoveAll(dir) })
	return path
}

// command runs fountainctl on the terminal and returns its exit code when it is done.
func (p *pty) command(ctx context.Context, args ...string) chan int {
	done := make(chan int, 1)
	env := func(k string) string { return map[string]string{envPerson: "ada"}[k] }
	go func() { done <- run(ctx, args, env, p.slave, p.slave, p.slave) }()
	return done
}

var control = regexp.MustCompile(`\x1b|\x07`)

// A narrow terminal: the live line is drawn again in place, never wraps, and leaves nothing behind.
func TestGuidedOnANarrowTerminal(t *testing.T) {
	const columns = 40
	p := newPTY(t, columns)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := p.command(ctx, "--socket", unitAt(t), "prime", "endless")
	at := 0
	p.await(&at, "Put a jug under the nozzle. [y/N] ")
	p.typed("y\n")
	p.await(&at, "1/3  done    ask: yes")
	p.await(&at, "0 ml  Water flows.")
	p.await(&at, "2/3  50.0 ml")
	cancel() // Ctrl-C
	if code := <-done; code != 1 {
		t.Errorf("exit code %d", code)
	}
	p.await(&at, "ml flowed")
	s := p.text()
	if control.MatchString(s) {
		t.Errorf("escape sequences were printed: %q", s)
	}
	for _, line := range strings.Split(s, "\n") {
		for _, drawn := range strings.Split(line, "\r") {
			if strings.Contains(drawn, "Water flows") && utf8.RuneCountInString(drawn) >= columns {
				t.Errorf("a live line has %d columns: %q", utf8.RuneCountInString(drawn), drawn)
			}
		}
	}
}

// The PIN is not echoed, and the echo comes back, also after Ctrl-C.
func TestPINIsNotEchoed(t *testing.T) {
	p := newPTY(t, 80)
	socket := unitAt(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := p.command(ctx, "--socket", socket, "setup")
	at := 0
	p.await(&at, "New PIN, 6 to 12 digits (empty: later): ")
	p.silence()
	p.typed("482915\n")
	p.await(&at, "The same again: ")
	p.silence()
	p.typed("482915\n")
	p.await(&at, "done    service PIN")
	p.await(&at, "Language, such as")
	if !p.echo() {
		t.Error("the echo stays off")
	}
	cancel()
	if code := <-done; code != 1 {
		t.Errorf("exit code %d", code)
	}
	p.await(&at, "What is done stays done")
	if strings.Contains(p.text(), "482915") {
		t.Error("the PIN is on the screen")
	}

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	p = newPTY(t, 80)
	done = p.command(ctx, "--socket", unitAt(t), "setup")
	at = 0
	p.await(&at, "New PIN")
	p.silence()
	cancel()
	<-done
	if !p.echo() {
		t.Error("Ctrl-C at the PIN leaves the terminal without an echo")
	}
}
