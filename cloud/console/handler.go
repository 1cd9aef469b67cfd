package console

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"fountain/internal/localhttp"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

//go:embed page.html static
var files embed.FS

type pages = *template.Template

func parsePage() (pages, error) {
	t, err := template.New("page.html").Funcs(template.FuncMap{
		// Colours come from the checked catalogue and are #RRGGBB.
		"css":    func(s string) template.CSS { return template.CSS(s) },
		"litres": func(ul int64) string { return fmt.Sprintf("%.2f", float64(ul)/1e6) },
	}).ParseFS(files, "page.html")
	if err != nil {
		return nil, fmt.Errorf("console page: %w", err)
	}
	return t, nil
}

// pagePours is how many pours the page shows.
const pagePours = 60

// keepAlive keeps proxies and half-open connections honest.
const keepAlive = 20 * time.Second

// Handler serves the page. Wrap it by localhttp.Protect.
func (c *Console) Handler() http.Handler {
	m := http.NewServeMux()
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // impossible: it is embedded
	}
	m.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	m.HandleFunc("GET /{$}", c.servePage)
	m.HandleFunc("GET /events", c.serveEvents)
	m.HandleFunc("GET /api/units", c.serveUnits)
	m.HandleFunc("GET /api/pours", c.servePours)
	m.HandleFunc("GET /api/totals", c.serveTotals)
	m.HandleFunc("GET /api/conflicts", c.serveConflicts)
	m.Handle("POST /api/conflicts/seen", localhttp.JSONOnly(conflictsBody, http.HandlerFunc(c.serveSeen)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		m.ServeHTTP(w, r)
	})
}

type pageData struct {
	Units  []UnitView
	Pours  []PourView
	Totals TotalsView
	After  int64
}

func (c *Console) servePage(w http.ResponseWriter, r *http.Request) {
	var d pageData
	var err error
	if d.Units, err = c.units(r.Context(), ""); err != nil {
		problem.Write(w, err)
		return
	}
	latest, err := c.cfg.Store.Latest(r.Context(), pagePours)
	if err != nil {
		problem.Write(w, err)
		return
	}
	for _, p := range latest {
		d.Pours = append(d.Pours, c.pourView(p))
		d.After = max(d.After, p.N)
	}
	if d.Totals, err = c.totals(r.Context()); err != nil {
		problem.Write(w, err)
		return
	}
	var b bytes.Buffer
	if err := c.page.Execute(&b, d); err != nil {
		problem.Write(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes()) // the browser may be gone
}

func (c *Console) answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		problem.Write(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(append(encode(v), '\n')) // the browser may be gone
}

func (c *Console) serveUnits(w http.ResponseWriter, r *http.Request) {
	u, err := c.units(r.Context(), "")
	c.answer(w, u, err)
}

func (c *Console) serveTotals(w http.ResponseWriter, r *http.Request) {
	t, err := c.totals(r.Context())
	c.answer(w, t, err)
}

// servePours lists pours after ?after=N in the order of commits, at most ?limit= (500).
func (c *Console) servePours(w http.ResponseWriter, r *http.Request) {
	after, err := number(r, "after", 0)
	if err != nil {
		problem.Write(w, err)
		return
	}
	limit, err := number(r, "limit", 500)
	if err != nil {
		problem.Write(w, err)
		return
	}
	pours, err := c.cfg.Store.After(r.Context(), after, int(min(max(limit, 1), 5000)))
	views := []PourView{}
	for _, p := range pours {
		views = append(views, c.pourView(p))
	}
	c.answer(w, views, err)
}

func number(r *http.Request, key string, def int64) (int64, error) {
	s := r.URL.Query().Get(key)
	if s == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, &problem.Problem{Code: problem.CodeBadRequest, Where: "?" + key, What: "not a number: " + strconv.Quote(s), Remedy: "give a number of 0 or more"}
	}
	return n, nil
}

// serveEvents streams what happens. Last-Event-ID (or ?after=) is the last pour the browser has: those after it come
// first, so that nothing is missed between page and stream.
func (c *Console) serveEvents(w http.ResponseWriter, r *http.Request) {
	after, err := number(r, "after", 0)
	if err != nil {
		problem.Write(w, err)
		return
	}
	if id, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); err == nil && id > after {
		after = id
	}
	s := &stream{events: make(chan event, streamBuffer)}
	c.mu.Lock()
	c.streams[s] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.streams, s)
		c.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	first, last, err := c.catchUp(r.Context(), after)
	if err != nil {
		c.cfg.Log.Error("cannot read pours", logkey.Err, err)
		return
	}
	for _, e := range first {
		if !write(w, e) {
			return
		}
	}
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		if out.Flush() != nil {
			return
		}
		e := event{}
		select {
		case <-r.Context().Done():
			return
		case <-c.done:
			return
		case <-tick.C:
			if _, err := w.Write([]byte(": still here\n\n")); err != nil {
				return
			}
			continue
		case e = <-s.events:
		}
		if e.id != 0 && e.id <= last { // came with the catch-up
			continue
		}
		if s.lost.Swap(false) && !write(w, event{name: "reload", data: []byte("{}")}) {
			return
		}
		if !write(w, e) {
			return
		}
	}
}

// catchUp makes the events a new stream begins with: missed pours, every unit, the totals.
func (c *Console) catchUp(ctx context.Context, after int64) (events []event, last int64, err error) {
	last = after
	pours, err := c.cfg.Store.After(ctx, after, streamBuffer)
	if err != nil {
		return nil, 0, err
	}
	if len(pours) == streamBuffer { // too much to play back
		events = append(events, event{name: "reload", data: []byte("{}")})
	} else {
		for _, p := range pours {
			events = append(events, event{id: p.N, name: "pour", data: encode(c.pourView(p))})
			last = max(last, p.N)
		}
	}
	units, err := c.units(ctx, "")
	if err != nil {
		return nil, 0, err
	}
	for _, u := range units {
		events = append(events, event{name: "unit", data: encode(u)})
	}
	t, err := c.totals(ctx)
	if err != nil {
		return nil, 0, err
	}
	return append(events, event{name: "totals", data: encode(t)}), last, nil
}

func write(w http.ResponseWriter, e event) bool {
	var b bytes.Buffer
	if e.id != 0 {
		fmt.Fprintf(&b, "id: %d\n", e.id)
	}
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", e.name, e.data)
	_, err := w.Write(b.Bytes())
	return err == nil
}
