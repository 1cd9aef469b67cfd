package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fountain/internal/lifeline"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

// Restart policy of DESIGN 7: at once, then 0.5 s doubling to 30 s; a child that lived for Config.Healthy starts over.
const (
	restartFirst = 500 * time.Millisecond
	restartMax   = 30 * time.Second
	stopGrace    = 5 * time.Second
)

// Child is one supervised process: started, watched, started again when it dies, stopped in order.
type Child struct {
	Name string

	path string
	args func() []string // asked at each start: a port picked once stays
	env  []string
	log  *os.File // its stderr: a file, because a pipe would kill it with SIGPIPE when the desk is gone
	slog *slog.Logger
	nice int // scheduling priority, -20 to 19

	healthy time.Duration                   // a life of this length forgets the deaths before it
	ready   func(ctx context.Context) error // polled until nil

	mu     sync.Mutex
	proc   *os.Process // nil while down
	url    string      // last URL it printed
	starts int
	up     bool          // it was ready once: from then on it is started again
	exit   int           // exit code of a child that never was
	done   chan struct{} // the supervisor ended
	cancel context.CancelFunc
}

// urlPattern finds the URL in a ready line.
var urlPattern = regexp.MustCompile(`https?://[^\s"]+`)

// start launches the supervisor and waits until the child is ready or ctx ends.
func (c *Child) start(ctx context.Context, lifelineEnd *os.File) error {
	sup, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel, c.done = cancel, make(chan struct{})
	first := make(chan error, 1)
	go func() {
		defer close(c.done)
		c.supervise(sup, lifelineEnd, first)
	}()
	if err := <-first; err != nil {
		return fmt.Errorf("start %s: %w", c.Name, err)
	}
	return c.AwaitReady(ctx)
}

// AwaitReady returns when the child answers, or with the reason it does not when ctx ends.
func (c *Child) AwaitReady(ctx context.Context) error {
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.ready(ctx)
		if err == nil {
			c.setUp()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (%w)", c.Name, err, context.Cause(ctx))
		case <-c.done:
			return c.refusal()
		case <-tick.C:
		}
	}
}

func (c *Child) supervise(ctx context.Context, lifelineEnd *os.File, first chan<- error) {
	var delay time.Duration
	for {
		cmd := exec.Command(c.path, c.args()...)
		cmd.Env = append(append(os.Environ(), c.env...), lifeline.EnvFD+"=3")
		cmd.ExtraFiles = []*os.File{lifelineEnd}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches the desk alone, which stops in order
		cmd.Stderr = c.log
		cmd.Stdout = &urlTee{w: c.log, seen: c.setURL}
		began := time.Now()
		err := cmd.Start()
		if err == nil {
			// As a unit file's Nice= on a device. Without the right to it the child runs like any other.
			_ = unix.Setpriority(unix.PRIO_PGRP, cmd.Process.Pid, c.nice)
			c.setProc(cmd.Process)
		}
		if first != nil {
			first <- err
			first = nil
		}
		if err == nil {
			err = c.wait(ctx, cmd)
			c.setProc(nil)
		}
		if ctx.Err() != nil {
			return
		}
		if !c.isUp() {
			c.setExit(cmd.ProcessState)
			return
		}
		c.slog.Warn("child ended", slog.String(logkey.Child, c.Name), slog.Any(logkey.Err, err))
		if time.Since(began) > c.healthy {
			delay = 0
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
		delay = min(max(2*delay, restartFirst), restartMax)
	}
}

// wait waits for the process; when ctx ends it asks it to stop, then kills it.
func (c *Child) wait(ctx context.Context, cmd *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // already gone is fine
	_ = cmd.Process.Signal(syscall.SIGCONT) // a stopped child cannot obey
	select {
	case err := <-ended:
		return err
	case <-time.After(stopGrace):
		_ = cmd.Process.Kill()
		return errors.Join(fmt.Errorf("%s did not stop within %v and was killed", c.Name, stopGrace), <-ended)
	}
}

// Stop ends the child for good.
func (c *Child) Stop() {
	if c.cancel == nil {
		return
	}
	c.cancel()
	<-c.done
}

// Signal sends sig to the running process; an error when it is down.
func (c *Child) Signal(sig syscall.Signal) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil {
		return fmt.Errorf("%s is down", c.Name)
	}
	return c.proc.Signal(sig)
}

// PID is the process id, 0 while it is down.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proc == nil {
		return 0
	}
	return c.proc.Pid
}

// Starts counts how often it was started.
func (c *Child) Starts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.starts
}

// URL is the URL the child printed when it became ready; empty before.
func (c *Child) URL() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.url
}

func (c *Child) setURL(u string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.url = u
}

func (c *Child) setProc(p *os.Process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.proc = p
	if p != nil {
		c.starts++
	}
}

func (c *Child) isUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up
}

func (c *Child) setUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up = true
}

func (c *Child) setExit(s *os.ProcessState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s != nil {
		c.exit = s.ExitCode()
	}
}

// refusal is why a child would not start, in its own words: the last line it wrote that is no log line.
func (c *Child) refusal() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &problem.Problem{Code: problem.CodeInternal, What: c.Name + " ended before it was ready", Where: c.log.Name(), Remedy: "read its log"}
	if b, err := os.ReadFile(c.log.Name()); err == nil {
		for line := range strings.Lines(string(b)) {
			if l := strings.TrimSpace(line); l != "" && !strings.HasPrefix(l, "time=") {
				p.What, p.Where, p.Remedy = l, "", "" // place and remedy are in it
			}
		}
	}
	switch c.exit {
	case 2:
		p.Code = problem.CodeBadConfig
	case 3:
		p.Code = problem.CodeUnsafe
	}
	return p
}

// urlTee passes a child's output on and reports each URL in it.
type urlTee struct {
	w    io.Writer
	seen func(string)
}

func (t *urlTee) Write(b []byte) (int, error) {
	if u := urlPattern.Find(b); u != nil {
		t.seen(string(u))
	}
	return t.w.Write(b)
}
