package web

import (
	"context"
	"embed"
	"encoding/json"
	"image/png"
	"net/http"
	"strings"
	"time"

	"fountain/internal/localhttp"
	"fountain/internal/logkey"
	"fountain/internal/problem"
	"fountain/touchui/display"
	"fountain/touchui/input"
)

//go:embed page.html page.css page.js mark.svg locked.html
var files embed.FS

const (
	maxBody    = 64 << 10
	maxEvents  = 256
	maxFingers = 10
	treeWait   = 2 * time.Second
)

// Handler serves page, stream, touches, tree and screenshot. It is complete: host, origin, token and bodies are checked.
func (d *Display) Handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", page("page.html", "text/html; charset=utf-8"))
	m.HandleFunc("GET /page.css", page("page.css", "text/css; charset=utf-8"))
	m.HandleFunc("GET /page.js", page("page.js", "text/javascript; charset=utf-8"))
	m.HandleFunc("GET /mark.svg", page("mark.svg", "image/svg+xml"))
	m.HandleFunc("GET /stream", d.serveStream)
	m.HandleFunc("POST /touch", d.serveTouch)
	m.HandleFunc("POST /control", d.serveControl)
	m.HandleFunc("GET /tree", d.serveTree)
	m.HandleFunc("GET /screenshot.png", d.serveScreenshot)
	return localhttp.Protect(explain(localhttp.RequireToken(d.cfg.Token, localhttp.JSONOnly(maxBody, m))), d.cfg.AllowedHosts...)
}

func page(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		b, err := files.ReadFile(name)
		if err != nil {
			problem.Write(w, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		_, _ = w.Write(b) // the browser may be gone
	}
}

// explain shows a person who opened the bare address a page instead of problem+json.
func explain(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && strings.Contains(r.Header.Get("Accept"), "text/html") {
			w = &explainer{ResponseWriter: w}
		}
		h.ServeHTTP(w, r)
	})
}

// explainer replaces the body of a refusal.
type explainer struct {
	http.ResponseWriter
	refused bool
}

func (e *explainer) WriteHeader(status int) {
	if status != http.StatusForbidden {
		e.ResponseWriter.WriteHeader(status)
		return
	}
	e.refused = true
	h := e.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	e.ResponseWriter.WriteHeader(status)
	if b, err := files.ReadFile("locked.html"); err == nil {
		_, _ = e.ResponseWriter.Write(b) // the browser may be gone
	}
}

func (e *explainer) Write(b []byte) (int, error) {
	if e.refused {
		return len(b), nil
	}
	return e.ResponseWriter.Write(b)
}

// touchReport is the body of POST /touch. Events are in order; none at all keeps the fingers alive.
type touchReport struct {
	Client string       `json:"client"`
	Ack    uint32       `json:"ack"` // last frame drawn
	Events []touchEvent `json:"events"`
}

type touchEvent struct {
	Phase string  `json:"p"` // down, move, up, cancel
	ID    int     `json:"id"`
	X     float64 `json:"x"` // display pixels
	Y     float64 `json:"y"`
	T     float64 `json:"t"` // browser clock, ms
	Key   string  `json:"k"` // next, previous, select, back: a key instead of a finger
}

var keyNames = map[string]input.KeyCode{
	"": 0, "next": input.KeyNext, "previous": input.KeyPrevious, "select": input.KeySelect, "back": input.KeyBack,
}

func (d *Display) serveTouch(w http.ResponseWriter, r *http.Request) {
	var rep touchReport
	if err := json.NewDecoder(r.Body).Decode(&rep); err != nil {
		problem.Write(w, &problem.Problem{Code: problem.CodeBadRequest, Where: "body", What: "not a touch report: " + err.Error()})
		return
	}
	events, err := d.events(&rep)
	if err != nil {
		problem.Write(w, err)
		return
	}
	if rep.Ack > 0 {
		d.ack(rep.Client, rep.Ack)
	}
	before := d.remote.Controls(rep.Client)
	controls := d.remote.Report(rep.Client, events)
	if controls != before {
		d.pokeAll()
	}
	writeJSON(w, map[string]bool{"controls": controls})
}

// events checks a report and converts its events.
func (d *Display) events(rep *touchReport) ([]input.RemoteEvent, error) {
	bad := func(what string) error {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: "touch report", What: what}
	}
	if rep.Client == "" || len(rep.Client) > 64 {
		return nil, bad("client must have 1 to 64 characters")
	}
	if len(rep.Events) > maxEvents {
		return nil, bad("too many events")
	}
	fingers := map[int]bool{}
	out := make([]input.RemoteEvent, 0, len(rep.Events))
	for _, e := range rep.Events {
		v := input.RemoteEvent{ID: e.ID}
		switch e.Phase {
		case "down":
			v.Phase = input.Down
		case "move":
			v.Phase = input.Move
		case "up":
			v.Phase = input.Up
		case "cancel":
			v.Phase = input.Cancel
		default:
			return nil, bad("unknown phase " + e.Phase)
		}
		key, known := keyNames[e.Key]
		if !known {
			return nil, bad("unknown key " + e.Key)
		}
		if key != 0 {
			v.Key = key
			out = append(out, v)
			continue
		}
		if fingers[e.ID] = true; len(fingers) > maxFingers {
			return nil, bad("too many fingers")
		}
		v.X = int(max(0, min(e.X, float64(d.cfg.Width-1))))
		v.Y = int(max(0, min(e.Y, float64(d.cfg.Height-1))))
		if e.T > 0 && e.T < 1e12 {
			v.Clock = time.Duration(e.T * float64(time.Millisecond))
		}
		out = append(out, v)
	}
	return out, nil
}

func (d *Display) serveControl(w http.ResponseWriter, r *http.Request) {
	var rep touchReport
	if err := json.NewDecoder(r.Body).Decode(&rep); err != nil {
		problem.Write(w, &problem.Problem{Code: problem.CodeBadRequest, Where: "body", What: "not JSON: " + err.Error()})
		return
	}
	if d.cfg.WatchOnly {
		problem.Write(w, &problem.Problem{
			Code: problem.CodeForbidden, What: "this page only looks on: the screen is a panel", Remedy: "touch the panel itself",
		})
		return
	}
	if !d.remote.Take(rep.Client) {
		problem.Write(w, &problem.Problem{
			Code: problem.CodeBusy, What: "someone is touching the screen", Remedy: "try again when they have finished", Retry: true,
		})
		return
	}
	d.pokeAll()
	writeJSON(w, map[string]bool{"controls": true})
}

func (d *Display) serveTree(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	tree := d.tree
	d.mu.Unlock()
	if tree == nil {
		problem.Write(w, &problem.Problem{Code: problem.CodeUnreachable, What: "the screen is not running yet", Remedy: "try again", Retry: true})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), treeWait)
	defer cancel()
	list, err := tree(ctx)
	if err != nil {
		d.log.Warn("read tree", logkey.Err, err)
		problem.Write(w, &problem.Problem{Code: problem.CodeUnreachable, What: "the screen does not answer: " + err.Error(), Remedy: "try again", Retry: true})
		return
	}
	if list == nil {
		list = []display.Element{}
	}
	writeJSON(w, list)
}

func (d *Display) serveScreenshot(w http.ResponseWriter, _ *http.Request) {
	im := d.snapshot(d.frame.Bounds(), nil)
	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Cache-Control", "no-store")
	_ = png.Encode(w, im) // the client may be gone
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
