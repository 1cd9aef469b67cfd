package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"fountain/internal/problem"
)

const (
	maxSocketPath = 107 // sun_path less its final zero
	socketMode    = 0o660
)

// listenUnix listens at path. A socket file nobody listens on is left over from a plant that was killed; it is replaced.
func listenUnix(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: path, What: fmt.Sprintf("the socket's path has %d bytes, Linux allows %d", len(path), maxSocketPath), Remedy: "choose a shorter state directory"}
	}
	dir := filepath.Dir(path)
	st, err := os.Stat(dir)
	if errors.Is(err, syscall.ENOTDIR) || err == nil && !st.IsDir() {
		return nil, &problem.Problem{Code: problem.CodeNotWritable, Where: dir, What: "the socket's directory is a file", Remedy: "choose a --socket path in a directory"}
	}
	if err != nil {
		return nil, &problem.Problem{Code: problem.CodeBadConfig, Where: dir, What: "the socket's directory does not exist", Remedy: "make it first: mkdir -p " + dir}
	}
	l, err := net.Listen("unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		c, derr := net.Dial("unix", path)
		if derr == nil {
			_ = c.Close() // only asked whether somebody is there
			return nil, &problem.Problem{Code: problem.CodeAddrInUse, Where: path, What: "another plant already serves this socket", Remedy: "stop it first, or choose another --socket", Retry: true}
		}
		if errors.Is(derr, syscall.ECONNREFUSED) {
			if rerr := os.Remove(path); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
				return nil, fmt.Errorf("remove stale socket: %w", rerr)
			}
			l, err = net.Listen("unix", path)
		}
	}
	if err != nil {
		code := problem.CodeBadConfig
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
			code = problem.CodeNotWritable
		}
		return nil, &problem.Problem{Code: code, Where: path, What: "cannot listen: " + err.Error(), Remedy: "choose a --socket path in a directory this user may write"}
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(fmt.Errorf("restrict socket: %w", err), l.Close())
	}
	return l, nil
}

// connListener hands connections accepted elsewhere to an http.Server.
type connListener struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newConnListener(addr net.Addr) *connListener {
	return &connListener{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// give passes c on, or closes it when the server has stopped.
func (l *connListener) give(c net.Conn) {
	select {
	case l.conns <- c:
	case <-l.done:
		_ = c.Close() // nobody will serve it
	}
}

// Accept implements net.Listener.
func (l *connListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *connListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *connListener) Addr() net.Addr { return l.addr }
