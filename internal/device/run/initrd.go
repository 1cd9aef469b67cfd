package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// kernel is an unpacked Debian kernel.
type kernel struct {
	version, image, modules string
}

func findKernel(work string) (kernel, error) {
	b, err := os.ReadFile(filepath.Join(work, "kver"))
	if err != nil {
		return kernel{}, fmt.Errorf("no kernel in the work folder: run tools/device/prepare.sh: %w", err)
	}
	v := strings.TrimSpace(string(b))
	return kernel{v, filepath.Join(work, "root/boot/vmlinuz-"+v), filepath.Join(work, "root/lib/modules", v)}, nil
}

// wanted lists the modules of a unit with their arguments, in the order they are needed.
var wanted = []string{"configfs", "irq-sim", "gpio-sim", "cuse", "softdog"}

// wantedScreen lists those of one with a panel and a touch screen.
var wantedScreen = []string{"virtio-pci", "virtio-gpu", "virtio-input", "evdev", "uinput"}

// packInitrd writes an initramfs: PID 1, modules, the unit's programs, the tests and their data.
func packInitrd(path string, k kernel, o options) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer f.Close()
	buf := bufio.NewWriterSize(f, 1<<20)
	a := &archive{w: buf, seen: map[string]bool{}}
	for _, set := range []struct {
		list  string
		names []string
	}{{"modules", wanted}, {"modules.screen", wantedScreen}} {
		list, err := a.modules(k, set.names)
		if err != nil {
			return err
		}
		a.add(set.list, 0o644, list)
	}
	a.file("init", o.init)
	a.file("bin/device.test", o.tests)
	for _, p := range []string{"fountaind", "fountain-guard", "fountain-plant", "fountain-ui"} {
		a.file("bin/"+p, filepath.Join(o.bin, p))
	}
	a.tree("rig", "testdata/rig")
	a.finish()
	if a.err != nil {
		return a.err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// archive is a cpio archive of the kind the kernel unpacks (newc).
type archive struct {
	w    io.Writer
	seen map[string]bool
	ino  int
	err  error
}

func (a *archive) entry(name string, mode, links int, body []byte) {
	if a.err != nil {
		return
	}
	a.ino++
	head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", a.ino, mode, 0, 0, links, 0, len(body), 0, 0, 0, 0, len(name)+1, 0)
	for _, part := range [][]byte{append([]byte(head+name), make([]byte, 1+pad(len(head)+len(name)+1))...), body, make([]byte, pad(len(body)))} {
		if _, err := a.w.Write(part); err != nil {
			a.err = err
		}
	}
}

func pad(n int) int { return -n & 3 }

func (a *archive) add(name string, perm int, body []byte) {
	for i, c := range name { // its folders first
		if c == '/' && !a.seen[name[:i]] {
			a.seen[name[:i]] = true
			a.entry(name[:i], 0o040755, 2, nil)
		}
	}
	a.entry(name, 0o100000|perm, 1, body)
}

func (a *archive) file(name, from string) {
	b, err := os.ReadFile(from)
	if err != nil && a.err == nil {
		a.err = err
	}
	a.add(name, 0o755, b)
}

func (a *archive) tree(name, from string) {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err == nil {
			a.file(name+"/"+filepath.ToSlash(rel), path)
		}
		return err
	})
	if err != nil && a.err == nil {
		a.err = err
	}
}

func (a *archive) finish() { a.entry("TRAILER!!!", 0, 1, nil) }

// modules packs the wanted modules with what they need and returns the list PID 1 loads, in load order.
func (a *archive) modules(k kernel, wanted []string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(k.modules, "modules.dep"))
	if err != nil {
		return nil, err
	}
	needs := map[string][]string{} // path → paths, the last is needed first
	byName := map[string]string{}
	for line := range strings.Lines(string(b)) {
		path, deps, _ := strings.Cut(line, ":")
		needs[path] = strings.Fields(deps)
		name, _, _ := strings.Cut(filepath.Base(path), ".ko")
		byName[strings.ReplaceAll(name, "_", "-")] = path
	}
	var list strings.Builder
	done := map[string]bool{}
	for _, name := range wanted {
		path, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("the kernel has no module %s", name)
		}
		load := slices.Clone(needs[path])
		slices.Reverse(load)
		for _, m := range append(load, path) {
			if done[m] {
				continue
			}
			done[m] = true
			body, err := os.ReadFile(filepath.Join(k.modules, m))
			if strings.HasSuffix(m, ".xz") {
				body, err = exec.Command("xz", "-dc", filepath.Join(k.modules, m)).Output()
			}
			if err != nil {
				return nil, err
			}
			to := "lib/" + strings.TrimSuffix(filepath.Base(m), ".xz")
			a.add(to, 0o644, body)
			fmt.Fprintf(&list, "/%s\n", to)
		}
	}
	return []byte(list.String()), nil
}
