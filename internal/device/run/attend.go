package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/draw"
	"image/png"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// attendant is the person in front of a unit with a screen: what the guest's tests ask for on the console, it does to
// the emulator from outside, and answers on the console.
//
//	guest: "host: touch down 540 960 1080 1920" ──► QMP input-send-event ──► virtio-tablet ──► the guest's evdev
//	guest: "host: dump home"                    ──► QMP screendump ──► logs/BOOT-home.png, answer "ok CRC COLOURS W H"
//	guest: "host: unplug touch"                 ──► QMP device_del
type attendant struct {
	dir, boot string // dir gets the pictures
	socket    string
	answer    io.Writer // the guest's console

	mu      sync.Mutex
	line    []byte
	wg      sync.WaitGroup
	control *qmp
}

const ask = "host: "

// Write reads the console. What the guest asks is done beside it, in order: the guest waits for each answer.
func (a *attendant) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.line = append(a.line, b...)
	for {
		i := bytes.IndexByte(a.line, '\n')
		if i < 0 {
			return len(b), nil
		}
		line := strings.TrimSpace(string(a.line[:i]))
		a.line = append([]byte(nil), a.line[i+1:]...)
		if what, ok := strings.CutPrefix(line, ask); ok {
			a.wg.Go(func() {
				said, err := a.do(strings.Fields(what))
				if err != nil {
					said = "error " + strings.ReplaceAll(err.Error(), "\n", " ")
				}
				_, _ = io.WriteString(a.answer, said+"\n") // a guest that is gone has failed anyway
			})
		}
	}
}

func (a *attendant) close() {
	a.wg.Wait()
	if a.control != nil {
		_ = a.control.conn.Close()
	}
}

func (a *attendant) do(words []string) (string, error) {
	if a.control == nil {
		c, err := dialQMP(a.socket)
		if err != nil {
			return "", err
		}
		a.control = c
	}
	if len(words) < 2 {
		return "", fmt.Errorf("%q is not understood", words)
	}
	switch words[0] {
	case "dump":
		return a.dump(words[1])
	case "unplug":
		return "ok", a.control.do("device_del", map[string]any{"id": words[1]})
	case "touch":
		return "ok", a.touch(words[1:])
	}
	return "", fmt.Errorf("%q is not understood", words)
}

// dump saves what the emulated panel shows and answers with a checksum of its pixels and how many colours it has.
func (a *attendant) dump(name string) (string, error) {
	path := filepath.Join(a.dir, a.boot+"-"+filepath.Base(name)+".png")
	if err := a.control.do("screendump", map[string]any{"filename": path, "format": "png"}); err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	im, err := png.Decode(bufio.NewReader(f))
	if err != nil {
		return "", err
	}
	sum, colours := fingerprint(im)
	return fmt.Sprintf("ok %08x %d %d %d", sum, colours, im.Bounds().Dx(), im.Bounds().Dy()), nil
}

// fingerprint is a checksum of a picture's R, G and B bytes, and how many different colours it has.
func fingerprint(im image.Image) (sum uint32, colours int) {
	b := im.Bounds()
	p := image.NewRGBA(b)
	draw.Draw(p, b, im, b.Min, draw.Src)
	rgb := make([]byte, 0, 3*b.Dx()*b.Dy())
	seen := map[[3]byte]bool{}
	for i := 0; i < len(p.Pix); i += 4 {
		rgb = append(rgb, p.Pix[i:i+3]...)
		seen[[3]byte(p.Pix[i:i+3])] = true
	}
	return crc32.ChecksumIEEE(rgb), len(seen)
}

// touch moves the tablet's only finger: "down X Y W H", "move X Y W H" with the panel's size, or "up".
func (a *attendant) touch(words []string) error {
	var events []any
	if words[0] != "up" {
		if len(words) != 5 {
			return fmt.Errorf("touch %q is not understood", words)
		}
		var n [4]int
		for i := range n {
			v, err := strconv.Atoi(words[1+i])
			if err != nil {
				return err
			}
			n[i] = v
		}
		const span = 0x8000 // of QEMU's absolute axes
		abs := func(axis string, v, of int) any {
			return map[string]any{"type": "abs", "data": map[string]any{"axis": axis, "value": (2*v + 1) * span / (2 * of)}}
		}
		events = append(events, abs("x", n[0], n[2]), abs("y", n[1], n[3]))
	}
	if words[0] != "move" {
		events = append(events, map[string]any{"type": "btn", "data": map[string]any{"button": "left", "down": words[0] == "down"}})
	}
	return a.control.do("input-send-event", map[string]any{"events": events})
}

// qmp is the emulator's control socket.
type qmp struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialQMP(socket string) (*qmp, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	q := &qmp{conn, bufio.NewReader(conn)}
	if _, err := q.in.ReadString('\n'); err != nil { // its greeting
		return nil, errors.Join(err, conn.Close())
	}
	if err := q.do("qmp_capabilities", nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return q, nil
}

func (q *qmp) do(what string, args any) error {
	m := map[string]any{"execute": what}
	if args != nil {
		m["arguments"] = args
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_ = q.conn.SetDeadline(time.Now().Add(time.Minute)) // a unix socket can
	if _, err := q.conn.Write(append(b, '\n')); err != nil {
		return err
	}
	for {
		line, err := q.in.ReadBytes('\n')
		if err != nil {
			return err
		}
		var r struct {
			Event string          `json:"event"`
			Error json.RawMessage `json:"error"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		switch {
		case r.Event != "":
		case r.Error != nil:
			return fmt.Errorf("%s: %s", what, r.Error)
		default:
			return nil
		}
	}
}
