//go:build amd64 || arm64

package crash

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Answer is what becomes of a call.
type Answer int

const (
	Go      Answer = iota // it happens
	Pretend               // it does not happen, and the program is told that it did: a disk that lies
)

// ops are the calls by number. Plain writes count only above eightBytes, since the runtime wakes its poller by writing less
// and would wait for itself, and not to the standard files: a dying program has to say why.
var ops = []struct {
	nr uint32
	op Op
}{
	{unix.SYS_PWRITE64, Write},
	{unix.SYS_FDATASYNC, Sync},
	{unix.SYS_FSYNC, Sync},
	{unix.SYS_FTRUNCATE, Truncate},
	{unix.SYS_MKDIRAT, Mkdir},
	{unix.SYS_RENAMEAT, Rename},
	{unix.SYS_RENAMEAT2, Rename},
	{unix.SYS_LINKAT, Link},
	{unix.SYS_UNLINKAT, Unlink},
	{unix.SYS_OPENAT, Create},
	{unix.SYS_WRITE, Write},
}

const (
	eightBytes = 8
	stderr     = 2
)

// seccompNotif and seccompResp are struct seccomp_notif and seccomp_notif_resp of linux/seccomp.h.
type seccompNotif struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

type seccompResp struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

// Watch asks judge before each call from now on, one at a time, until the process ends. judge runs beside the program,
// must not do any of these calls itself, and must not wait for the program. data says whether Call.Data is wanted.
func Watch(data bool, judge func(Call) Answer) error {
	listener, err := listen()
	if err != nil {
		return fmt.Errorf("watch system calls: %w", err)
	}
	go func() {
		runtime.LockOSThread()
		for {
			var n seccompNotif
			if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil {
				if errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOENT) {
					continue // the caller's thread was interrupted: it asks again
				}
				panic(fmt.Sprintf("crash: receive a call: %v", err))
			}
			r := seccompResp{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
			if int(n.pid) == 0 || !ours(n.pid) {
				_ = ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)) // a child of the program: none of our business
				continue
			}
			c, err := n.call(data)
			if err != nil {
				panic(fmt.Sprintf("crash: read a call: %v", err))
			}
			if judge(c) == Pretend {
				r.flags = 0
			}
			if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r)); err != nil && !errors.Is(err, unix.ENOENT) {
				panic(fmt.Sprintf("crash: answer a call: %v", err))
			}
		}
	}()
	return nil
}

// ours says whether a thread belongs to this process.
func ours(tid uint32) bool {
	return unix.Access(fmt.Sprintf("/proc/self/task/%d", tid), unix.F_OK) == nil
}

func ioctl(fd int, req uint, p unsafe.Pointer) error {
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(req), uintptr(p)); e != 0 {
		return e
	}
	return nil
}

const listenFlags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
	unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV

// CanWatch says why Watch cannot work here; nil when it can.
func CanWatch() error {
	// A filter at no address: a kernel that knows the flags complains about the address.
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, listenFlags, 0)
	if e != unix.EFAULT {
		return fmt.Errorf("seccomp listeners need Linux 5.19 and leave to use them: %w", e)
	}
	return nil
}

// listen installs the filter for all threads of the process.
func listen() (fd int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return 0, err
	}
	prog := filter()
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	r, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, listenFlags, uintptr(unsafe.Pointer(&fprog)))
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}

// filter is the program the kernel runs at each call: struct seccomp_data has the number at 0 and the arguments from 16.
func filter() []unix.SockFilter {
	const firstArg, thirdArg = 16, 16 + 8*2
	load := func(off uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
	}
	ret := func(what uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: what}
	}
	prog := []unix.SockFilter{load(0)}
	for _, o := range ops {
		isNot := unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: o.nr}
		then := []unix.SockFilter{ret(unix.SECCOMP_RET_USER_NOTIF)}
		switch o.nr {
		case unix.SYS_OPENAT:
			then = []unix.SockFilter{load(thirdArg), {Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.O_CREAT, Jf: 1}, then[0], ret(unix.SECCOMP_RET_ALLOW)}
		case unix.SYS_WRITE:
			then = []unix.SockFilter{
				load(firstArg),
				{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: stderr, Jf: 3},
				load(thirdArg),
				{Code: unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K, K: eightBytes, Jf: 1},
				then[0],
				ret(unix.SECCOMP_RET_ALLOW),
			}
		}
		isNot.Jf = uint8(len(then))
		prog = append(append(prog, isNot), then...)
	}
	return append(prog, ret(unix.SECCOMP_RET_ALLOW))
}

// call reads the arguments.
func (n *seccompNotif) call(data bool) (c Call, err error) {
	for _, o := range ops {
		if o.nr == uint32(n.nr) {
			c.Op = o.op
		}
	}
	switch n.nr {
	case unix.SYS_OPENAT, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT:
		c.Path, err = pathAt(n.args[0], n.args[1])
		return c, err
	case unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT:
		if c.Path, err = pathAt(n.args[0], n.args[1]); err == nil {
			c.To, err = pathAt(n.args[2], n.args[3])
		}
		return c, err
	}
	if c.Path, err = fdPath(n.args[0]); err != nil {
		return c, err
	}
	switch n.nr {
	case unix.SYS_FTRUNCATE:
		c.Off = int64(n.args[1])
	case unix.SYS_PWRITE64:
		c.Off = int64(n.args[3])
	case unix.SYS_WRITE:
		if data && strings.HasPrefix(c.Path, "/") {
			c.Off, err = unix.Seek(int(n.args[0]), 0, 1)
			if errors.Is(err, unix.ESPIPE) {
				err = nil
			}
		}
	}
	if err == nil && data && c.Op == Write {
		c.Data = make([]byte, n.args[2])
		err = peek(n.args[1], c.Data)
	}
	return c, err
}

// pathAt reads a path that may be relative to an open directory.
func pathAt(dir, addr uint64) (string, error) {
	p, err := text(addr)
	if err != nil || filepath.IsAbs(p) || int32(dir) == unix.AT_FDCWD {
		return p, err
	}
	d, err := fdPath(dir)
	return filepath.Join(d, p), err
}

func fdPath(fd uint64) (string, error) {
	b := make([]byte, unix.PathMax)
	k, err := unix.Readlink(fmt.Sprintf("/proc/self/fd/%d", int32(fd)), b)
	if err != nil {
		return "", err
	}
	return string(b[:k]), nil
}

// peek copies memory of this process; the caller's thread waits meanwhile.
func peek(addr uint64, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
	remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: len(b)}}
	k, err := unix.ProcessVMReadv(unix.Getpid(), local, remote, 0)
	if err == nil && k != len(b) {
		err = fmt.Errorf("%d of %d bytes", k, len(b))
	}
	return err
}

// text reads a C string. It may end right before memory that cannot be read.
func text(addr uint64) (string, error) {
	var out []byte
	for len(out) < unix.PathMax {
		chunk := make([]byte, min(64, 4096-addr%4096))
		if err := peek(addr, chunk); err != nil {
			return "", err
		}
		if i := strings.IndexByte(string(chunk), 0); i >= 0 {
			return string(append(out, chunk[:i]...)), nil
		}
		out, addr = append(out, chunk...), addr+uint64(len(chunk))
	}
	return "", errors.New("a path does not end")
}
