//go:build amd64 || arm64

package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Disk is a block device with a file system that is mounted, and every step of it is kept. It lives in the mount
// namespace of this process, which must be a private one, and dies with it.
type Disk struct {
	Mount string   // where its file system is
	Notes *os.File // what is written here is a promise, in order with the writes; for the program under test to inherit

	server *fuse.Server
	root   *diskRoot
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
	return nil
}

// diskRoot is the FUSE directory that holds the two files.
type diskRoot struct {
	fs.Inode
	image  *imageFile
	blocks *Blocks
}

func (r *diskRoot) OnAdd(ctx context.Context) {
	r.AddChild("disk", r.NewPersistentInode(ctx, r.image, fs.StableAttr{Mode: fuse.S_IFREG}), false)
	r.AddChild("notes", r.NewPersistentInode(ctx, &notesFile{blocks: r.blocks}, fs.StableAttr{Mode: fuse.S_IFREG}), false)
}

// imageFile is the disk's content. The kernel sends it one write or flush at a time: loop devices have one worker.
type imageFile struct {
	fs.Inode
	blocks *Blocks
	now    []byte
}

var (
	_ fs.NodeOpener    = (*imageFile)(nil)
	_ fs.NodeReader    = (*imageFile)(nil)
	_ fs.NodeWriter    = (*imageFile)(nil)
	_ fs.NodeFsyncer   = (*imageFile)(nil)
	_ fs.NodeGetattrer = (*imageFile)(nil)
	_ fs.NodeSetattrer = (*imageFile)(nil)
	_ fs.NodeWriter    = (*notesFile)(nil)
)

func (f *imageFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (f *imageFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = fuse.S_IFREG|0o600, uint64(len(f.now))
	return 0
}

func (f *imageFile) Setattr(ctx context.Context, h fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return f.Getattr(ctx, h, out)
}

func (f *imageFile) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	f.blocks.mu.Lock()
	defer f.blocks.mu.Unlock()
	if off >= int64(len(f.now)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, f.now[off:])]), 0
}

func (f *imageFile) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	if off+int64(len(data)) > int64(len(f.now)) {
		return 0, syscall.ENOSPC
	}
	f.blocks.mu.Lock()
	defer f.blocks.mu.Unlock()
	copy(f.now[off:], data)
	f.blocks.steps = append(f.blocks.steps, blockStep{off: off, data: append([]byte(nil), data...)})
	return uint32(len(data)), 0
}

func (f *imageFile) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	f.blocks.add(blockStep{flush: true})
	return 0
}

// notesFile takes promises.
type notesFile struct {
	fs.Inode
	blocks *Blocks
}

func (f *notesFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (f *notesFile) Write(_ context.Context, _ fs.FileHandle, data []byte, _ int64) (uint32, syscall.Errno) {
	f.blocks.Note(string(data))
	return uint32(len(data)), 0
}

// NewDisk makes a disk of an image, which holds a file system of that type, and mounts it; the image itself is left as it
// is. dir is for the mount points. Steps count from here on.
func NewDisk(dir, fsType, options string, from io.Reader) (_ *Disk, err error) {
	image, err := io.ReadAll(from)
	if err != nil {
		return nil, fmt.Errorf("make a disk: %w", err)
	}
	d := &Disk{Mount: filepath.Join(dir, "mnt")}
	fuseDir := filepath.Join(dir, "fuse")
	if err := errors.Join(os.Mkdir(d.Mount, 0o700), os.Mkdir(fuseDir, 0o700)); err != nil {
		return nil, fmt.Errorf("make a disk: %w", err)
	}
	blocks := &Blocks{start: image}
	d.root = &diskRoot{blocks: blocks, image: &imageFile{blocks: blocks, now: append([]byte(nil), image...)}}
	forever := time.Hour
	d.server, err = fs.Mount(fuseDir, d.root, &fs.Options{
		EntryTimeout: &forever, AttrTimeout: &forever,
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: "crash", MaxWrite: 1 << 20, DisableXAttrs: true, SingleThreaded: true},
	})
	if err != nil {
		return nil, fmt.Errorf("make a disk: %w", err)
	}
	defer func() {
		if err != nil {
			_ = d.server.Unmount() // the process's end unmounts too
		}
	}()
	fd, err := unix.Open(filepath.Join(fuseDir, "disk"), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make a disk: %w", err)
	}
	defer unix.Close(fd)
	if err := MountImage(fd, d.Mount, fsType, options); err != nil {
		return nil, err
	}
	notes, err := unix.Open(filepath.Join(fuseDir, "notes"), unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a disk: %w", err), unix.Unmount(d.Mount, 0))
	}
	d.Notes = os.NewFile(uintptr(notes), "notes")
	if err := syncFS(d.Mount); err != nil { // what mounting wrote
		return nil, err
	}
	blocks.mu.Lock()
	defer blocks.mu.Unlock()
	copy(blocks.start, d.root.image.now)
	blocks.steps = nil
	return d, nil
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

// Close takes everything down and returns what happened until then. What mounting and unmounting write is left out: a
// superblock torn there is the file system's own affair.
func (d *Disk) Close() (*Blocks, error) {
	b := d.root.blocks
	b.mu.Lock()
	happened := &Blocks{start: b.start, steps: b.steps[:len(b.steps):len(b.steps)]}
	b.mu.Unlock()
	err := errors.Join(d.Notes.Close(), unix.Unmount(d.Mount, 0))
	if err == nil {
		err = d.server.Unmount()
	}
	if err != nil {
		return nil, fmt.Errorf("take a disk down: %w", err)
	}
	return happened, nil
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
