//go:build linux

package device

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/draw"
	"image/png"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fountain/agent/api"
	"fountain/touchui/display"
)

// person stands in front of the emulated panel: what it sees comes through GET /tree and the emulator's own picture of
// the panel, what it touches goes in from outside the guest.
//
//	fountain-ui ──► /dev/dri/card0, /dev/fb0 ──► emulator ──screendump──► runner (host) ──► "ok CRC …" on the console
//	     ▲ evdev ◄── virtio-tablet ◄── QMP ◄── runner ◄── "host: touch down …" on the console
type person struct {
	t       *testing.T
	u       *unit
	ui      *process
	client  *http.Client
	console *os.File
	w, h    int  // of the panel
	turned  bool // the picture is turned clockwise by a quarter on it
}

const lookOn = "http://127.0.0.1:8088"

// newPerson starts the screen of a unit that is ready.
func newPerson(t *testing.T, u *unit, args ...string) *person {
	t.Helper()
	p := &person{t: t, u: u, client: &http.Client{Timeout: 60 * time.Second}, console: rawConsole(t)}
	p.ui = u.process("fountain-ui", append([]string{"--socket", u.socket(api.AgentSocket), "--http", strings.TrimPrefix(lookOn, "http://"), "--token", "t"}, args...)...)
	p.ui.start()
	start := time.Now()
	p.until(30*time.Second, "the screen draws", func() bool { p.w, p.h = p.shown().Dx(), p.shown().Dy(); return p.w > 0 })
	t.Logf("figure: %v from start to the first picture seen", time.Since(start).Round(time.Millisecond))
	return p
}

// rawConsole is the serial line to the runner, without echo.
func rawConsole(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile("/dev/console", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	tio, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	tio.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, tio); err != nil {
		t.Fatal(err)
	}
	return f
}

// host has the runner do something from outside, and returns what follows its "ok".
func (p *person) host(words ...any) []string {
	p.t.Helper()
	fmt.Fprintf(p.console, "\nhost: %s\n", strings.TrimSpace(fmt.Sprintln(words...)))
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := p.console.Read(b); err != nil {
			p.t.Fatal(err)
		}
		if b[0] == '\n' || b[0] == '\r' {
			break
		}
		line = append(line, b[0])
	}
	said := strings.Fields(string(line))
	if len(said) == 0 || said[0] != "ok" {
		p.t.Fatalf("the runner says %q to %v", line, words)
	}
	return said[1:]
}

func (p *person) get(path string) ([]byte, error) {
	resp, err := p.client.Get(lookOn + path + "?token=t")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return b, err
}

// shown is what the screen says it shows, without a picture: its bounds only.
func (p *person) shown() image.Rectangle {
	b, err := p.get("/screenshot.png")
	if err != nil {
		return image.Rectangle{}
	}
	c, err := png.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		p.t.Fatal(err)
	}
	return image.Rect(0, 0, c.Width, c.Height)
}

// believes is a checksum of what the screen says it shows.
func (p *person) believes() string {
	p.t.Helper()
	b, err := p.get("/screenshot.png")
	if err != nil {
		p.t.Fatal(err)
	}
	im, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		p.t.Fatal(err)
	}
	rgba := image.NewRGBA(im.Bounds())
	draw.Draw(rgba, rgba.Rect, im, im.Bounds().Min, draw.Src)
	rgb := make([]byte, 0, len(rgba.Pix)/4*3)
	for i := 0; i < len(rgba.Pix); i += 4 {
		rgb = append(rgb, rgba.Pix[i:i+3]...)
	}
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE(rgb))
}

// picture saves what the emulated panel shows and sees that it is, to the last pixel, what the screen says it shows.
// A page that moves is asked again.
func (p *person) picture(name string) {
	p.t.Helper()
	const tries = 5
	for i := range tries {
		before := p.believes()
		said := p.host("dump", name)
		if len(said) != 4 {
			p.t.Fatalf("the runner says %q of its picture", said)
		}
		p.t.Logf("%s: the panel shows %s, %s colours, %sx%s; the screen says %s", name, said[0], said[1], said[2], said[3], before)
		if said[0] == before && said[1] != "1" {
			return
		}
		if i == tries-1 {
			p.t.Fatalf("%s: the panel does not show what the screen says", name)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// glance saves what the panel shows of a page that moves: it has to show something.
func (p *person) glance(name string) {
	p.t.Helper()
	if said := p.host("dump", name); len(said) != 4 || said[1] == "1" {
		p.t.Errorf("%s: the panel is blank: %q", name, said)
	}
}

func (p *person) tree() []display.Element {
	b, err := p.get("/tree")
	if err != nil {
		return nil
	}
	var list []display.Element
	if err := json.Unmarshal(b, &list); err != nil {
		p.t.Fatalf("%s: %v", b, err)
	}
	return list
}

func (p *person) find(id string) (display.Element, bool) {
	list := p.tree()
	i := slices.IndexFunc(list, func(e display.Element) bool { return e.ID == id })
	if i < 0 {
		return display.Element{}, false
	}
	return list[i], list[i].Enabled
}

func (p *person) until(limit time.Duration, what string, cond func() bool) {
	p.t.Helper()
	for end := time.Now().Add(limit); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			var ids []string
			for _, e := range p.tree() {
				ids = append(ids, e.ID)
			}
			p.t.Fatalf("not within %v: %s; the screen shows %v", limit, what, ids)
		}
	}
}

// where is the middle of an element that can be touched, in the panel's pixels.
func (p *person) where(id string) (x, y int, ok bool) {
	e, ok := p.find(id)
	x, y = e.Bounds.X+e.Bounds.W/2, e.Bounds.Y+e.Bounds.H/2
	if p.turned {
		x, y = p.w-1-y, x
	}
	return x, y, ok && e.Bounds.W > 0
}

// reaction is what a hand takes from seeing to touching, at the least.
const reaction = 500 * time.Millisecond

// middle waits for an element that can be touched and returns where.
func (p *person) middle(id string) (x, y int) {
	p.t.Helper()
	p.until(30*time.Second, id+" can be touched", func() (ok bool) { x, y, ok = p.where(id); return ok })
	time.Sleep(reaction)
	return x, y
}

func (p *person) press(id string) {
	p.t.Helper()
	x, y := p.middle(id)
	p.host("touch", "down", x, y, p.w, p.h)
}

func (p *person) release() { p.host("touch", "up") }

func (p *person) tap(id string) {
	p.t.Helper()
	p.press(id)
	p.release()
}

// home brings the first page.
func (p *person) home() {
	p.t.Helper()
	p.until(60*time.Second, "the home page", func() bool {
		for _, id := range []string{"attract.start", "pour.done", "nav.back"} {
			if x, y, ok := p.where(id); ok {
				p.host("touch", "down", x, y, p.w, p.h)
				p.release()
			}
		}
		_, ok := p.find("home.water")
		return ok
	})
}

// pours waits for a drink to flow into the cup, under a finger that is down.
func (p *person) pours(ul int64) {
	p.t.Helper()
	p.until(15*time.Second, fmt.Sprintf("%d ml in the cup", ul/1000), func() bool { return p.u.state().Cup.TotalUL >= ul })
}

// shut waits until nothing is open any more, and returns what is in the cup.
func (p *person) shut() int64 {
	p.t.Helper()
	p.until(20*time.Second, "everything shut", func() bool { return !p.u.state().Master.Open })
	time.Sleep(200 * time.Millisecond) // what is behind MASTER runs out
	return p.u.state().Cup.TotalUL
}

// newCup takes the cup away and puts another.
func (p *person) newCup() {
	p.t.Helper()
	if _, err := p.u.control.NewCup(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// leave ends the screen as systemd does.
func (p *person) leave() {
	p.t.Helper()
	p.ui.stop(syscall.SIGTERM)
	if code := p.ui.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("the screen ended with %d", code)
	}
}

// rest lets the machine stand for a while and tells what its programs cost then: nothing moves on the screen.
func (p *person) rest() {
	p.t.Helper()
	list := []*process{p.ui, p.u.agent, p.u.guard, p.u.plant}
	ticks := func() (out []int) {
		for _, q := range list {
			fields := strings.Fields(read(p.t, fmt.Sprintf("/proc/%d/stat", q.cmd.Process.Pid)))
			user, err1 := strconv.Atoi(fields[13])
			system, err2 := strconv.Atoi(fields[14])
			if err := errors.Join(err1, err2); err != nil {
				p.t.Fatal(err)
			}
			out = append(out, user+system)
		}
		return out
	}
	const span, hz = 5 * time.Second, 100
	before := ticks()
	time.Sleep(span)
	after := ticks()
	for i, q := range list {
		used := time.Duration(after[i]-before[i]) * time.Second / hz
		p.t.Logf("figure: %s at rest: %.1f %% of the processor, %s", q.name, 100*used.Seconds()/span.Seconds(), rss(p.t, q))
		if q == p.ui && used > span/100 {
			p.t.Errorf("the screen takes %v of %v while nothing moves", used, span)
		}
	}
}

// rss is how much memory a process has resident.
func rss(t *testing.T, q *process) string {
	t.Helper()
	for line := range strings.Lines(read(t, fmt.Sprintf("/proc/%d/status", q.cmd.Process.Pid))) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}
