package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"fountain/internal/problem"
)

// defaultWidth is what a terminal has that does not say, in columns.
const defaultWidth = 80

// terminal is the person at this command: questions go to standard error, answers come from standard input, so that
// standard output stays what a script may read. It works the same on a terminal, over a pipe and from a file.
//
// Its reader of standard input ends with the process: a read cannot be taken back.
type terminal struct {
	in  io.Reader
	out io.Writer

	mu   sync.Mutex // Show draws while Answer asks
	live int        // columns of the live line; 0: none is drawn
	tty  bool

	once  sync.Once
	lines chan string // closed at the end of the input
}

func newTerminal(in io.Reader, out io.Writer) *terminal {
	return &terminal{in: in, out: out, tty: isTerminal(out), lines: make(chan string)}
}

// say prints lines above the live line.
func (t *terminal) say(format string, a ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	fmt.Fprintf(t.out, format+"\n", a...)
}

// print writes lines to w, which may be the same screen, above the live line.
func (t *terminal) print(w io.Writer, lines string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
	fmt.Fprintln(w, lines)
}

// draw shows s as the live line on a terminal; elsewhere it is silent.
func (t *terminal) draw(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.tty {
		return
	}
	r := []rune(s)
	if most := width(t.out) - 1; len(r) > most { // the last column would wrap
		r = append(r[:max(0, most-1)], '…')
	}
	fmt.Fprintf(t.out, "\r%s%s", string(r), strings.Repeat(" ", max(0, t.live-len(r))))
	t.live = len(r)
}

func (t *terminal) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wipe()
}

// wipe removes the live line; called with mu held.
func (t *terminal) wipe() {
	if t.live > 0 {
		fmt.Fprintf(t.out, "\r%s\r", strings.Repeat(" ", t.live))
		t.live = 0
	}
}

// errNobody is returned by ask when the input has ended.
var errNobody = errors.New("nobody answers: the input has ended")

// ask prints prompt and returns the next line, trimmed. The end of ctx ends the wait.
func (t *terminal) ask(ctx context.Context, prompt string) (string, error) {
	t.once.Do(func() { go t.read() })
	t.mu.Lock()
	t.wipe()
	fmt.Fprint(t.out, prompt)
	t.mu.Unlock()
	select {
	case <-ctx.Done():
		fmt.Fprintln(t.out)
		return "", ctx.Err()
	case s, ok := <-t.lines:
		if !isTerminal(t.in) { // what was typed is not seen
			fmt.Fprintln(t.out)
		}
		if !ok {
			return "", errNobody
		}
		return strings.TrimSpace(s), nil
	}
}

func (t *terminal) read() {
	defer close(t.lines)
	s := bufio.NewScanner(t.in)
	for s.Scan() {
		t.lines <- s.Text()
	}
}

// secret is ask without an echo, where there is one.
func (t *terminal) secret(ctx context.Context, prompt string) (string, error) {
	f, ok := t.in.(*os.File)
	if !ok {
		return t.ask(ctx, prompt)
	}
	old, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return t.ask(ctx, prompt) // no terminal
	}
	quiet := *old
	quiet.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, &quiet); err != nil {
		return "", fmt.Errorf("switch the terminal's echo off: %w", err)
	}
	defer func() {
		_ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, old) // what else could be done
		fmt.Fprintln(t.out)
	}()
	return t.ask(ctx, prompt)
}

// yes asks until y or n is answered; an empty line is no.
func (t *terminal) yes(ctx context.Context, question string) (bool, error) {
	for {
		s, err := t.ask(ctx, question+" [y/N] ")
		if err != nil {
			return false, err
		}
		if yes, ok := yesNo(s); ok {
			return yes, nil
		}
		t.say("answer y or n")
	}
}

func yesNo(s string) (yes, ok bool) {
	switch strings.ToLower(s) {
	case "y", "yes":
		return true, true
	case "", "n", "no":
		return false, true
	}
	return false, false
}

// unanswered is what a question costs that neither a flag nor a person answers; without a flag only a person can.
func unanswered(what, flag string) error {
	remedy := "run it on a terminal"
	if flag != "" {
		remedy += ", or answer by " + flag
	}
	return &problem.Problem{
		Code: problem.CodeBadRequest, Where: strings.TrimSuffix(what, "."), What: "nobody answered a question", Remedy: remedy,
	}
}

// width of the terminal in columns.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return defaultWidth
	}
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 {
		return defaultWidth
	}
	return int(ws.Col)
}

// wrap breaks s into lines of at most n columns, between words.
func wrap(s string, n int) []string {
	n = max(n, 20)
	var out []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > n:
			out = append(out, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(out, line)
}
