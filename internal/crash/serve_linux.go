//go:build amd64 || arm64

package crash

import (
	"bufio"
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// serveEnv is set when this program was started again by NewDisk, to serve an image.
const serveEnv = "FOUNTAIN_CRASH_SERVE"

// Names of the files served, and orders on standard input.
const (
	imageName = "disk"
	notesName = "notes"

	beginServing = "serve"
	beginSteps   = "begin"
	endSteps     = "end"
)

const maxWrite = 1 << 20

// Main is called first by a program that uses NewDisk, and does not return in the process that serves a disk.
func Main() {
	if os.Getenv(serveEnv) != "" {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, "serve a disk:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// serve answers for the image on descriptor 3, by the FUSE device on 4, until it is unmounted, and then tells what happened.
func serve() error {
	image, err := io.ReadAll(io.NewSectionReader(os.NewFile(3, imageName), 0, 1<<40))
	if err != nil {
		return err
	}
	blocks := &Blocks{}
	root := &diskRoot{blocks: blocks, image: &imageFile{blocks: blocks, now: image}}
	var server *fuse.Server
	var happened savedBlocks
	fmt.Println("ok")
	for orders := bufio.NewScanner(os.Stdin); happened.Start == nil && orders.Scan(); fmt.Println("ok") {
		if orders.Text() == beginServing {
			forever := time.Hour
			server, err = fs.Mount("/dev/fd/4", root, &fs.Options{
				EntryTimeout: &forever, AttrTimeout: &forever,
				MountOptions: fuse.MountOptions{FsName: "crash", MaxWrite: maxWrite, DisableXAttrs: true, SingleThreaded: true},
			})
			if err != nil {
				return err
			}
			continue
		}
		blocks.mu.Lock()
		if orders.Text() == beginSteps {
			blocks.start, blocks.steps = append([]byte(nil), image...), nil
		} else {
			happened = savedBlocks{blocks.start, blocks.steps[:len(blocks.steps):len(blocks.steps)]}
		}
		blocks.mu.Unlock()
	}
	if server == nil {
		return io.ErrUnexpectedEOF
	}
	server.Wait()
	return gob.NewEncoder(os.Stdout).Encode(happened)
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
	_ fs.NodeFlusher   = (*imageFile)(nil)
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
	f.blocks.steps = append(f.blocks.steps, blockStep{Off: off, Data: append([]byte(nil), data...)})
	return uint32(len(data)), 0
}

func (f *imageFile) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	f.blocks.add(blockStep{Flush: true})
	return 0
}

// Flush tells the kernel never to ask again: a killed process would wait for its own answer when its files are closed.
// Opening and closing the image while the disk is made is what tells it.
func (f *imageFile) Flush(context.Context, fs.FileHandle) syscall.Errno { return syscall.ENOSYS }

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
