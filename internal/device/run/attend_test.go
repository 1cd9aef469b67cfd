package main

import (
	"bufio"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// emulator answers as QEMU's control socket does, with an event between a command and its answer.
func emulator(t *testing.T, socket string) (heard chan map[string]any) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	heard = make(chan map[string]any, 16)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, `{"QMP": {}}`+"\n")
		for in := bufio.NewScanner(c); in.Scan(); {
			var m map[string]any
			if json.Unmarshal(in.Bytes(), &m) != nil {
				return
			}
			heard <- m
			answer := `{"return": {}}`
			args, _ := m["arguments"].(map[string]any)
			switch m["execute"] {
			case "device_del":
				answer = `{"error": {"class": "DeviceNotFound"}}`
			case "screendump":
				im := image.NewRGBA(image.Rect(0, 0, 3, 2))
				im.Set(1, 1, color.RGBA{R: 9, A: 255})
				if f, err := os.Create(args["filename"].(string)); err == nil {
					_ = png.Encode(f, im) // the reader tells
					_ = f.Close()
				}
			}
			_, _ = io.WriteString(c, `{"event": "SOMETHING"}`+"\n"+answer+"\n")
		}
	}()
	return heard
}

// TestAttendant: what a guest asks on its console, in whatever pieces it arrives, is done and answered.
func TestAttendant(t *testing.T) {
	dir, err := os.MkdirTemp("", "attend") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	heard := emulator(t, filepath.Join(dir, "qmp"))
	from, to := io.Pipe()
	a := &attendant{dir: dir, boot: "screen", socket: filepath.Join(dir, "qmp"), answer: to}
	answers := bufio.NewScanner(from)
	for _, tt := range []struct{ asks, does, says string }{
		{"--- PASS: TestX\r\nhost: touch down 540 960 1080 1920\r\n", `"value":16399`, "ok"},
		{"host: touch up\n", `"down":false`, "ok"},
		{"host: unplug touch\n", `"id":"touch"`, "error device_del"},
		{"host: dump ../home\n", "screen-home.png", "ok "},
		{"host: touch sideways\n", "", "error touch"},
		{"host: dance now\n", "", "error"},
	} {
		for _, b := range []byte(tt.asks) {
			if _, err := a.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if !answers.Scan() || !strings.HasPrefix(answers.Text(), tt.says) {
			t.Errorf("%q: says %q, want %q", tt.asks, answers.Text(), tt.says)
		}
		if tt.does == "" {
			continue
		}
		m := <-heard
		if m["execute"] == "qmp_capabilities" {
			m = <-heard
		}
		if b, err := json.Marshal(m); err != nil || !strings.Contains(string(b), tt.does) {
			t.Errorf("%q: does %s, want %s", tt.asks, b, tt.does)
		}
	}
	a.close()
	if sum, colours := fingerprint(image.NewRGBA(image.Rect(0, 0, 3, 2))); colours != 1 || sum == 0 {
		t.Errorf("a black picture: %08x, %d colours", sum, colours)
	}
}
