// Package panel is the front of a simulated plant: HTTP for tests and for the person at the desk.
//
//	browser ──page, events──► Handler ──► sim.Plant      fountainctl-like tests ──Control──► Handler (over plant.sock)
//
//	GET  /            the panel page            GET  /v1/state    everything, JSON (sim.State)
//	GET  /v1/events   the same as server-sent events, ten a second while something changes
//	GET  /v1/faults   every kind of fault: what it strikes, what it does, its numbers (sim.FaultInfo)
//	POST /v1/faults   {"kind":"door","on":true}, {"part":"still","kind":"weep","amount":120,"for_ns":5e9,"on":true}
//	POST /v1/faults/clear {"do":"all"}
//	POST /v1/cup      {"do":"new"}              POST /v1/tray     {"do":"empty"}
//	POST /v1/cartridges {"slot":"s01","ingredient":"syrup.sugar","volume_ul":5000000}
//
// It may import hal/sim and internal packages; it holds no state. It is apart from hal/sim so that the guard and the
// agent, which dial a plant, do not link an HTTP server's page.
package panel

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"fountain/hal"
	"fountain/hal/sim"
	"fountain/internal/localhttp"
	"fountain/internal/problem"
	"fountain/internal/strictjson"
)

//go:embed panel.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "panel.html"))

const (
	maxBody = 64 << 10
	refresh = 100 * time.Millisecond
)

// Handler serves the panel of p. changed is called after every change made here (sim.Server.Wake); nil is allowed.
// allowedHosts are Host names besides loopback.
func Handler(p *sim.Plant, changed func(), allowedHosts ...string) http.Handler {
	h := &handler{p: p, changed: changed}
	if changed == nil {
		h.changed = func() {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.page)
	mux.HandleFunc("GET /v1/state", h.state)
	mux.HandleFunc("GET /v1/events", h.events)
	mux.HandleFunc("GET /v1/faults", h.kinds)
	mux.HandleFunc("POST /v1/faults", h.faults)
	mux.HandleFunc("POST /v1/faults/clear", h.clear)
	mux.HandleFunc("POST /v1/cup", h.cup)
	mux.HandleFunc("POST /v1/tray", h.tray)
	mux.HandleFunc("POST /v1/cartridges", h.cartridge)
	return localhttp.Protect(localhttp.JSONOnly(maxBody, mux), allowedHosts...)
}

type handler struct {
	p       *sim.Plant
	changed func()
}

// button is one fault a person can cause on the page.
type button struct {
	Fault sim.Fault
	Label string
}

// group is the faults of one heading on the page.
type group struct {
	Name   string
	Faults []row
}

// row is one kind of fault with what it may strike here.
type row struct {
	sim.FaultInfo
	Parts  []string // empty: the machine
	Amount *sim.Param
	With   *sim.Param
	Others []string // what With may name; empty: an ingredient
}

func (h *handler) page(w http.ResponseWriter, _ *http.Request) {
	s := h.p.State()
	data := struct {
		Seed        uint64
		Machine     []button
		Groups      []group
		Ingredients []string
	}{Seed: s.Seed, Groups: h.groups()}
	for _, c := range s.Slots {
		data.Ingredients = append(data.Ingredients, c.Ingredient)
	}
	slices.Sort(data.Ingredients)
	data.Ingredients = slices.Compact(data.Ingredients)
	for _, k := range []struct {
		kind  sim.FaultKind
		label string
	}{
		{sim.EStopPressed, "Press E-stop"},
		{sim.DoorOpen, "Open the door"},
		{sim.CupRemoved, "Take the cup"},
		{sim.SupplyCut, "Cut the water"},
		{sim.TrayFull, "Fill the tray"},
		{sim.LeakSeen, "Wet the leak sensor"},
	} {
		data.Machine = append(data.Machine, button{sim.Fault{Kind: k.kind}, k.label})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'")
	if err := page.Execute(w, data); err != nil { // headers are out; the client is gone or the template is wrong
		_, _ = fmt.Fprintf(w, "<p>%s</p>", template.HTMLEscapeString(err.Error()))
	}
}

// groups are all faults this machine can have; kinds that strike parts it has none of are left out.
func (h *handler) groups() (out []group) {
	for _, info := range sim.Faults() {
		r := row{FaultInfo: info, Parts: h.parts(info.Part)}
		if info.Part != sim.PartMachine && len(r.Parts) == 0 {
			continue
		}
		if par, ok := info.Amount(); ok {
			r.Amount = &par
		}
		if par, ok := info.With(); ok {
			r.With = &par
			if info.Part != hal.KindSlot {
				r.Others = r.Parts
			}
		}
		if n := len(out); n == 0 || out[n-1].Name != info.Group {
			out = append(out, group{Name: info.Group})
		}
		g := &out[len(out)-1]
		g.Faults = append(g.Faults, r)
	}
	return out
}

// parts lists the ids a kind of fault may strike.
func (h *handler) parts(kind hal.Kind) (ids []string) {
	switch kind {
	case sim.PartMachine:
		return nil
	case sim.PartOwner:
		return []string{string(hal.OwnerAgent), string(hal.OwnerGuard)}
	case sim.PartChip:
		for _, c := range h.p.Rig().Chips {
			ids = append(ids, c.ID)
		}
		return ids
	}
	for _, p := range h.p.Rig().Parts() {
		if p.Kind == kind {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

func (h *handler) kinds(w http.ResponseWriter, _ *http.Request) { writeJSON(w, sim.Faults()) }

func (h *handler) state(w http.ResponseWriter, _ *http.Request) { writeJSON(w, h.p.State()) }

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		problem.Write(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the client may be gone
}

func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	ctl := http.NewResponseController(w)
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	var seen uint64
	for first := true; ; first = false {
		if n := h.p.Changes(); first || n != seen {
			seen = n
			b, err := json.Marshal(h.p.State())
			if err != nil {
				return // cannot happen with State; the browser reconnects
			}
			if _, err := fmt.Fprintf(w, "data: %s\n\n", b); err != nil {
				return
			}
			if err := ctl.Flush(); err != nil {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// read decodes a body strictly.
func read(r *http.Request, into any) error {
	if err := strictjson.Known(r.Body, into); err != nil {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: r.URL.Path, What: "the body is not what this address reads: " + err.Error(), Remedy: "see --help of fountain-plant"}
	}
	return nil
}

// done answers a change: the new state, or what was wrong.
func (h *handler) done(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		var p *problem.Problem
		if !errors.As(err, &p) {
			p = &problem.Problem{Code: problem.CodeBadRequest, Where: r.URL.Path, What: err.Error(), Remedy: "see fountain-plant --help"}
		}
		problem.Write(w, p)
		return
	}
	h.changed()
	writeJSON(w, h.p.State())
}

type faultRequest struct {
	sim.Fault
	On bool `json:"on"`
}

func (h *handler) faults(w http.ResponseWriter, r *http.Request) {
	var q faultRequest
	err := read(r, &q)
	if err == nil {
		if q.On {
			err = h.p.Inject(q.Fault)
		} else {
			err = h.p.Clear(q.Fault)
		}
	}
	h.done(w, r, err)
}

type doRequest struct {
	Do string `json:"do"`
}

func (h *handler) clear(w http.ResponseWriter, r *http.Request) { h.do(w, r, "all", h.p.ClearAll) }

func (h *handler) cup(w http.ResponseWriter, r *http.Request)  { h.do(w, r, "new", h.p.NewCup) }
func (h *handler) tray(w http.ResponseWriter, r *http.Request) { h.do(w, r, "empty", h.p.EmptyTray) }

func (h *handler) do(w http.ResponseWriter, r *http.Request, word string, act func()) {
	var q doRequest
	err := read(r, &q)
	if err == nil {
		if q.Do == word {
			act()
		} else {
			err = &problem.Problem{Code: problem.CodeBadRequest, Where: "do", What: fmt.Sprintf("%q is not known", q.Do), Remedy: fmt.Sprintf("send {\"do\":%q}", word)}
		}
	}
	h.done(w, r, err)
}

func (h *handler) cartridge(w http.ResponseWriter, r *http.Request) {
	var c sim.Cartridge
	err := read(r, &c)
	if err == nil {
		err = h.p.SetCartridge(c)
	}
	h.done(w, r, err)
}
