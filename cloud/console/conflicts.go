package console

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"fountain/cloud/store"
	"fountain/internal/problem"
	"fountain/internal/strictjson"
)

// Bounds of what is shown and said at once.
const (
	conflictsShown = 100
	conflictsBody  = 64 << 10 // of a request
	nameMost       = 64       // characters of a person's name
)

// Seen is the body of POST /api/conflicts/seen: who has looked at which conflicts. Another one alarms again.
type Seen struct {
	By  string   `json:"by"`
	IDs []string `json:"ids"`
}

// serveConflicts lists conflicts that nobody has seen, oldest first.
func (c *Console) serveConflicts(w http.ResponseWriter, r *http.Request) {
	list, err := c.conflicts(r.Context())
	c.answer(w, list, err)
}

var errEnough = errors.New("enough")

func (c *Console) conflicts(ctx context.Context) ([]store.Aside, error) {
	list := []store.Aside{}
	err := c.cfg.Store.KeptAside(ctx, func(a store.Aside) error {
		if a.Kind != store.AsideConflict || a.Seen > 0 {
			return nil
		}
		if list = append(list, a); len(list) == conflictsShown {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return list, err
}

func noID(id string) bool {
	_, err := hex.DecodeString(id)
	return id == "" || err != nil
}

// serveSeen notes who has seen conflicts, and tells the open pages.
func (c *Console) serveSeen(w http.ResponseWriter, r *http.Request) {
	var s Seen
	err := strictjson.Known(r.Body, &s)
	s.By = strings.TrimSpace(s.By)
	if err != nil || s.By == "" || utf8.RuneCountInString(s.By) > nameMost || len(s.IDs) == 0 || slices.ContainsFunc(s.IDs, noID) {
		problem.Write(w, &problem.Problem{
			Code: problem.CodeBadRequest, Where: "body", What: "who has seen which conflicts cannot be read from it",
			Remedy: `send {"by":"your name","ids":["…"]} with ids of GET /api/conflicts`,
		})
		return
	}
	n, err := c.cfg.Store.SeeConflicts(r.Context(), s.By, c.cfg.Now().UnixMilli(), s.IDs...)
	if err == nil && n > 0 {
		c.cfg.Log.Info("conflicts were seen", "by", s.By, "count", n)
		if c.listening() {
			c.sendTotals()
		}
	}
	c.answer(w, map[string]int{"seen": n}, err)
}
