package screens

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/problem"
	"fountain/touchui/display"
	"fountain/touchui/input"
	"fountain/touchui/service"
	"fountain/touchui/sheet"
)

// TestMonkey lets a seeded monkey play with the screen in virtual time: taps, holds, drags, two fingers, keys, pauses,
// while the machine behind it runs out of things, stops and comes back. FOUNTAIN_LONG=1 plays 24 hours upright and six
// hours on a wide panel, or ten minutes of real time altogether, whichever ends first.
func TestMonkey(t *testing.T) {
	for _, play := range []struct {
		name  string
		w, h  int
		long  time.Duration // of touches
		limit time.Duration // of real time
	}{{"upright", 480, 854, 24 * time.Hour, 8 * time.Minute}, {"wide", 800, 480, 6 * time.Hour, 2 * time.Minute}} {
		t.Run(play.name, func(t *testing.T) {
			last, limit, long := 20*time.Minute, 10*time.Second, false
			if os.Getenv("FOUNTAIN_LONG") != "" {
				last, limit, long = play.long, play.limit, true
			}
			defer debug.SetGCPercent(debug.SetGCPercent(15)) // as fountain-ui does
			synctest.Test(t, func(t *testing.T) {
				newMonkey(t, 4, play.w, play.h).live(last, limit, long)
			})
		})
	}
}

// live plays for so much virtual time, or until the limit of real time.
func (m *monkey) live(last, limit time.Duration, long bool) {
	t, start, began, warm := m.t, time.Now(), realNow(), 0
	for time.Since(start) < last && realNow()-began < limit {
		m.play(200)
		m.rest()
		if warm == 0 && (time.Since(start) > last/4 || realNow()-began > limit/4) {
			m.leaveAll() // compared with the same page at the end
			warm = residentKB(t)
		}
	}
	m.leaveAll()
	grown := residentKB(t) - warm
	t.Logf("%v of touches in %v: %d acts, %d pours, %d frames, %d KB resident, %d KB more than after the warm-up",
		time.Since(start).Round(time.Second), (realNow() - began).Round(time.Second), m.acts, m.r.agent.count(), m.r.mem.Frames(), warm+grown, grown)
	for _, p := range slices.Sorted(maps.Keys(m.seen)) {
		t.Logf("%-14s %5d times", p, m.seen[p])
	}
	if !long {
		return
	}
	if !m.r.ui.Geo.Wide { // a wide rail has no room for each
		m.checkPages()
	}
	if grown > 2<<10 {
		t.Errorf("the process has grown by %d KB", grown)
	}
}

// pipes is a listener whose connections live in memory, so that virtual time knows who waits.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type monkey struct {
	r    *rig
	t    *testing.T
	rng  *rand.Rand
	seen map[string]int // pages, each time they came up
	at   string
	acts int
	held map[int][2]int // fingers on the screen
}

func newMonkey(t *testing.T, seed uint64, w, h int) *monkey {
	l := newPipes()
	m := &monkey{t: t, rng: rand.New(rand.NewPCG(seed, 0)), seen: map[string]int{}, held: map[int][2]int{}}
	agent := newFakeAgentOn(t, l)
	agent.foams(4 * time.Second)
	agent.set(func(s *api.Snapshot) { s.Mixes, s.Phone = true, "https://pour.example/417" })
	client := api.NewClientOver(l.dial)
	m.r = newRigOn(t, w, h, agent, client)
	if err := m.r.app.Call(t.Context(), func() {
		m.r.ui.service = func(look *sheet.Look, leave func()) Service {
			return service.New(service.Config{Stage: m.r.app, Client: client, Look: look, Leave: leave, Media: []string{t.TempDir()}, Files: t.TempDir()})
		}
	}); err != nil {
		t.Fatal(err)
	}
	return m
}

// play does n things.
func (m *monkey) play(n int) {
	for range n {
		m.acts++
		switch x := m.rng.IntN(100); {
		case x < 55:
			m.touch(m.element())
		case x < 65:
			m.touch(m.anywhere())
		case x < 80:
			m.drag()
		case x < 85:
			m.two()
		case x < 88:
			m.keys()
		case x < 97:
			m.machine()
		default:
			m.wait(time.Duration(m.rng.IntN(150)) * time.Second) // gone for a while: the screen returns to its start
		}
		m.look()
		m.wait(time.Duration(m.rng.ExpFloat64() * float64(time.Second)))
	}
}

// wait lets time pass.
func (m *monkey) wait(d time.Duration) { time.Sleep(max(d, time.Millisecond)) }

// look notes the page.
func (m *monkey) look() {
	if p := m.r.page(); p != m.at {
		m.at = p
		m.seen[p]++
	}
}

func (m *monkey) tree() []display.Element {
	els, err := m.r.app.Tree(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return els
}

// element is the middle of something that can be touched.
func (m *monkey) element() (x, y int) {
	els := slices.DeleteFunc(m.tree(), func(e display.Element) bool { return !e.Enabled })
	if len(els) == 0 {
		return m.anywhere()
	}
	return centre(els[m.rng.IntN(len(els))])
}

func (m *monkey) anywhere() (x, y int) {
	w, h := m.r.mem.Size()
	return m.rng.IntN(w), m.rng.IntN(h)
}

func (m *monkey) down(id, x, y int) {
	m.held[id] = [2]int{x, y}
	m.r.finger.Down(id, x, y)
}

func (m *monkey) up(id int) {
	if at, ok := m.held[id]; ok {
		delete(m.held, id)
		if m.rng.IntN(20) == 0 {
			m.r.finger.Cancel(id)
			return
		}
		m.r.finger.Up(id, at[0], at[1])
	}
}

// touch presses for a moment, or for as long as somebody fills a cup.
func (m *monkey) touch(x, y int) {
	m.down(1, x, y)
	m.look()
	if m.rng.IntN(6) == 0 {
		m.wait(time.Duration(m.rng.IntN(9000)) * time.Millisecond)
	} else {
		m.wait(time.Duration(30+m.rng.IntN(200)) * time.Millisecond)
	}
	m.look()
	m.up(1)
}

func (m *monkey) drag() {
	x, y := m.anywhere()
	if m.rng.IntN(2) == 0 {
		x, y = m.element()
	}
	m.down(1, x, y)
	tx, ty := m.anywhere()
	m.r.finger.Glide(1, x, y, tx, ty, time.Duration(20+m.rng.IntN(400))*time.Millisecond)
	m.held[1] = [2]int{tx, ty}
	m.up(1)
}

// two holds with one finger and taps with another.
func (m *monkey) two() {
	x, y := m.element()
	m.down(1, x, y)
	m.wait(time.Duration(m.rng.IntN(400)) * time.Millisecond)
	for range 1 + m.rng.IntN(3) {
		x, y = m.element()
		m.down(2, x, y)
		m.wait(time.Duration(20+m.rng.IntN(300)) * time.Millisecond)
		m.up(2)
	}
	m.look()
	m.up(1)
}

// keys plays with the keypad, and may go away with a key held.
func (m *monkey) keys() {
	codes := []input.KeyCode{input.KeyNext, input.KeyNext, input.KeyPrevious, input.KeySelect, input.KeySelect, input.KeyBack}
	for range 1 + m.rng.IntN(8) {
		c := codes[m.rng.IntN(len(codes))]
		m.r.finger.Key(input.Down, c)
		m.wait(time.Duration(20+m.rng.IntN(900)) * time.Millisecond)
		m.look()
		if m.rng.IntN(10) == 0 {
			m.r.finger.Key(input.Cancel, c)
			continue
		}
		m.r.finger.Key(input.Up, c)
	}
}

// machine changes what the machine behind the screen says.
func (m *monkey) machine() {
	f := m.r.agent
	reasons := []string{"e_stop", "door", "guard_gone", "no_water", "leak", "service", "tray_full", "nobody_knows_this"}
	switch m.rng.IntN(9) {
	case 8:
		f.foams(time.Duration(m.rng.IntN(2)*m.rng.IntN(6000)) * time.Millisecond)
	case 0:
		f.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitOutOfOrder, reasons[m.rng.IntN(len(reasons))] })
		m.wait(time.Duration(m.rng.IntN(5000)) * time.Millisecond)
		m.look()
		f.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitReady, "" })
	case 1:
		f.set(func(s *api.Snapshot) { s.Blocked = m.someBlocked() })
	case 2:
		f.set(func(s *api.Snapshot) { s.Blocked = map[beverage.ID]string{} })
	case 3:
		f.set(func(s *api.Snapshot) { s.Cup = !s.Cup })
	case 4:
		f.set(func(s *api.Snapshot) { s.Language = []string{"en", "es", "fr", "de", "ar", "ja"}[m.rng.IntN(6)] })
	case 5:
		f.refuseNext(&problem.Problem{Code: []string{problem.CodeBusy, problem.CodeUnsafe, problem.CodeUnavailable, "rinse_first"}[m.rng.IntN(4)], What: "no"})
	case 6:
		f.set(func(s *api.Snapshot) { s.Favourites = m.some(m.rng.IntN(9)) })
	case 7:
		f.dropAll()
	}
}

func (m *monkey) all() []beverage.ID {
	cat, err := beverage.Load("")
	if err != nil {
		m.t.Fatal(err)
	}
	var ids []beverage.ID
	for _, b := range cat.Brands {
		for _, v := range b.Beverages {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

func (m *monkey) some(n int) []beverage.ID {
	all := m.all()
	out := make([]beverage.ID, n)
	for i := range out {
		out[i] = all[m.rng.IntN(len(all))]
	}
	return out
}

// someBlocked takes fizz away, or a few beverages, or nearly all.
func (m *monkey) someBlocked() map[beverage.ID]string {
	out := map[beverage.ID]string{}
	if m.rng.IntN(3) == 0 {
		cat, err := beverage.Load("")
		if err != nil {
			m.t.Fatal(err)
		}
		for _, b := range cat.Brands {
			for _, v := range b.Beverages {
				if sparkling(&v) {
					out[v.ID] = whyNoFizz
				}
			}
		}
		return out
	}
	share := m.rng.IntN(100)
	for _, id := range m.all() {
		if m.rng.IntN(100) < share {
			out[id] = []string{whySoldOut, whyNotStocked, whyRecalled, "cleaning"}[m.rng.IntN(4)]
		}
	}
	return out
}

// rest lifts every finger: a moment later nothing pours, but for a portion that was asked for, which ends by itself.
func (m *monkey) rest() {
	for id := range m.held {
		m.up(id)
	}
	m.wait(30 * time.Second)
	m.look()
	if n := m.r.agent.active(); n != 0 {
		m.t.Fatalf("act %d on page %s: %d pours active 30 s after the last finger left", m.acts, m.r.page(), n)
	}
}

// leaveAll brings the screen back to its start.
func (m *monkey) leaveAll() {
	m.r.agent.set(func(s *api.Snapshot) {
		s.Unit, s.Reason, s.Cup, s.Blocked = api.UnitReady, "", false, map[beverage.ID]string{}
	})
	m.rest()
	m.wait(5 * time.Minute)
	m.look()
	if m.r.page() != "attract" {
		m.t.Errorf("left alone for five minutes the screen shows %s", m.r.page())
	}
}

// checkPages compares what came up with every page there is.
func (m *monkey) checkPages() {
	for _, name := range pageNames(m.t) {
		if m.seen[name] == 0 {
			m.t.Errorf("page %s never came up", name)
		}
	}
}

// pageNames lists what the name methods of this package's pages return.
func pageNames(t *testing.T) []string {
	t.Helper()
	fset := token.NewFileSet()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range files {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name != "name" || fn.Recv == nil {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				r, ok := n.(*ast.ReturnStmt)
				if !ok || len(r.Results) != 1 {
					return true
				}
				if lit, ok := r.Results[0].(*ast.BasicLit); ok {
					s, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					names[s] = true
				}
				return true
			})
		}
	}
	if len(names) < 8 {
		t.Fatalf("found only the pages %v", names)
	}
	return slices.Sorted(maps.Keys(names))
}

// realNow reads the kernel's clock, which runs on inside a bubble.
func realNow() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail: the clock exists
	return time.Duration(ts.Nano())
}

// residentKB is what the process holds after it gave back what it can.
func residentKB(t *testing.T) int {
	t.Helper()
	for range 3 { // pools and finalizers let go one collection later
		debug.FreeOSMemory()
	}
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b))
	pages, err := strconv.Atoi(f[1])
	if err != nil {
		t.Fatal(errors.Join(fmt.Errorf("read statm %q", b), err))
	}
	return pages * os.Getpagesize() / 1024
}
