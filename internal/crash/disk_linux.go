//go:build amd64 || arm64

package crash

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Disk is a block device with a file system that is mounted, and every step of it is kept. It lives in the mount
// namespace of this process, which must be a private one, and dies with it.
type Disk struct {
	Mount string   // where its file system is
	Notes *os.File // what is written here is a promise, in order with the writes; for the program under test to inherit

	fuse    string // where its image is
	server  *exec.Cmd
	ask     io.WriteCloser
	answers *bufio.Reader
}

// Private says how to start a process with a mount namespace of its own.
func Private() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
}

// CanDisk says why NewDisk cannot work here; nil when it can.
func CanDisk() error {
	if os.Geteuid() != 0 {
		return errors.New("needs root")
	}
	for _, path := range []string{"/dev/fuse", "/dev/loop-control"} {
		if err := unix.Access(path, unix.R_OK|unix.W_OK); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	_, err := exec.LookPath("mkfs.ext4")
	return err
}

// NewDisk makes a disk of an image, which holds a file system of that type, and mounts it; the image itself is left as it
// is. dir is for the mount points. Steps count from here on. The program calls Main first.
func NewDisk(dir, fsType, options string, image *os.File) (_ *Disk, err error) {
	d := &Disk{Mount: filepath.Join(dir, "mnt"), fuse: filepath.Join(dir, "fuse")}
	if err := errors.Join(os.Mkdir(d.Mount, 0o700), os.Mkdir(d.fuse, 0o700)); err != nil {
		return nil, fmt.Errorf("make a disk: %w", err)
	}
	if err := d.startServer(image); err != nil {
		return nil, fmt.Errorf("make a disk: %w", err)
	}
	defer func() {
		if err != nil {
			_ = d.server.Process.Kill() // everything goes with it
			_ = d.server.Wait()
		}
	}()
	fd, err := unix.Open(filepath.Join(d.fuse, imageName), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a disk: %w", err)
	}
	defer unix.Close(fd)
	if err := MountImage(fd, d.Mount, fsType, options); err != nil {
		return nil, err
	}
	notes, err := unix.Open(filepath.Join(d.fuse, notesName), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a disk: %w", err)
	}
	d.Notes = os.NewFile(uintptr(notes), notesName)
	if err := syncFS(d.Mount); err != nil { // what mounting wrote
		return nil, err
	}
	return d, d.tell(beginSteps)
}

// startServer starts the process that answers for the image. It is another one than those that use the disk, and has the
// mounts nowhere, or a kill would leave it waiting for itself when the kernel takes its mounts down.
func (d *Disk) startServer(image *os.File) error {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	dev := os.NewFile(uintptr(fd), "fuse")
	defer dev.Close() // the server's alone: when it ends, nobody waits for answers
	d.server = exec.Command(os.Args[0])
	d.server.Env = append(os.Environ(), serveEnv+"=1")
	d.server.ExtraFiles = []*os.File{image, dev}
	d.server.Stderr = os.Stderr
	d.server.SysProcAttr = Private()
	if d.ask, err = d.server.StdinPipe(); err != nil {
		return err
	}
	out, err := d.server.StdoutPipe()
	if err != nil {
		return err
	}
	d.answers = bufio.NewReader(out)
	if err := d.server.Start(); err != nil {
		return err
	}
	if err := d.answered(); err != nil { // it has a namespace of its own by now
		return err
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=%d", fd, maxWrite)
	if err := unix.Mount("crash", d.fuse, "fuse.crash", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return err
	}
	return d.tell(beginServing)
}

// tell gives the server an order and waits until it is done.
func (d *Disk) tell(order string) error {
	if _, err := fmt.Fprintln(d.ask, order); err != nil {
		return fmt.Errorf("tell the disk to %s: %w", order, err)
	}
	return d.answered()
}

func (d *Disk) answered() error {
	if line, err := d.answers.ReadString('\n'); err != nil || line != "ok\n" {
		return fmt.Errorf("the disk answers %q: %w", line, err)
	}
	return nil
}

// Close takes everything down and returns what happened until then. What mounting and unmounting write is left out: a
// superblock torn there is the file system's own affair.
func (d *Disk) Close() (*Blocks, error) {
	err := d.tell(endSteps)
	err = errors.Join(err, d.Notes.Close(), unix.Unmount(d.Mount, 0))
	if err == nil {
		err = unix.Unmount(d.fuse, 0)
	}
	if err != nil {
		_ = d.server.Process.Kill()
		_ = d.server.Wait()
		return nil, fmt.Errorf("take a disk down: %w", err)
	}
	var s savedBlocks
	if err := errors.Join(gob.NewDecoder(d.answers).Decode(&s), d.server.Wait()); err != nil {
		return nil, fmt.Errorf("take a disk down: %w", err)
	}
	return &Blocks{start: s.Start, steps: s.Steps}, nil
}

func syncFS(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer unix.Close(fd)
	if err := unix.Syncfs(fd); err != nil {
		return fmt.Errorf("flush %s: %w", path, err)
	}
	return nil
}

// MountImage attaches an open image to a free loop device, which lets go of it by itself after the last use, and mounts
// it.
func MountImage(image int, at, fsType, options string) error {
	ctl, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/loop-control: %w", err)
	}
	defer unix.Close(ctl)
	for range 100 {
		n, err := unix.IoctlRetInt(ctl, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return fmt.Errorf("find a loop device: %w", err)
		}
		path := fmt.Sprintf("/dev/loop%d", n)
		loop, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", path, err)
		}
		cfg := unix.LoopConfig{Fd: uint32(image), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		err = unix.IoctlLoopConfigure(loop, &cfg)
		if errors.Is(err, unix.EBUSY) { // another was first
			_ = unix.Close(loop)
			time.Sleep(time.Millisecond)
			continue
		}
		if err == nil {
			err = unix.Mount(path, at, fsType, unix.MS_NOATIME, options)
		}
		_ = unix.Close(loop) // the mount holds it
		if err != nil {
			return fmt.Errorf("mount %s: %w", path, err)
		}
		return nil
	}
	return errors.New("find a loop device: all are busy")
}

// Ext4 makes an image in memory of that many bytes, with an empty file system, by mkfs.ext4.
func Ext4(ctx context.Context, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate("ext4", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an image: %w", err)
	}
	f := os.NewFile(uintptr(fd), "ext4")
	if err := f.Truncate(size); err != nil {
		return nil, errors.Join(fmt.Errorf("make an image: %w", err), f.Close())
	}
	cmd := exec.CommandContext(ctx, "mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-m", "0", "-O", "^fast_commit",
		"-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", "/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{f}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("make an image: mkfs.ext4: %w: %s", err, out), f.Close())
	}
	return f, nil
}
