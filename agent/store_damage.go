package agent

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"fountain/agent/alarm"
	"fountain/agent/store"
	"fountain/internal/logkey"
)

// StoreDir is the pour buffer's directory in the state directory.
const StoreDir = "pours"

// belongs tells whether a body rescued from a damaged file is the record of its place: a record names it.
func belongs(log string, seq uint64, body []byte) bool {
	var r struct {
		Log string `json:"log"`
		Seq uint64 `json:"seq"`
	}
	return json.Unmarshal(body, &r) == nil && r.Log == log && r.Seq == seq
}

// damaged raises the alarm of a damaged file; also called by the store while it runs.
func (a *Agent) damaged(d store.Damage) {
	a.board.Set(alarm.Alarm{
		Name: alarm.StoreDamaged, Scope: filepath.Base(d.File), Evidence: d.File + ": " + damageWords(d) + ": " + d.Err.Error(),
		Remedy: "keep " + d.File + " and call support; check the storage",
	})
	a.log.Error("store file is damaged", slog.String(logkey.Path, d.File), slog.String(logkey.Log, d.Log),
		slog.String(logkey.Reason, damageWords(d)), slog.Any(logkey.Err, d.Err))
}

// damageWords says what a damage cost.
func damageWords(d store.Damage) string {
	if d.Log == "" {
		return fmt.Sprintf("%d values rescued", d.Rescued)
	}
	s := fmt.Sprintf("log %s from %d to %d, %d rescued", d.Log, d.FirstSeq, d.LastSeq, d.Rescued)
	if len(d.Lost) == 0 {
		return s + ", nothing lost"
	}
	var lost []string
	for _, g := range d.Lost {
		if g.From == g.To {
			lost = append(lost, fmt.Sprint(g.From))
		} else {
			lost = append(lost, fmt.Sprintf("%d to %d", g.From, g.To))
		}
	}
	return s + ", lost: " + strings.Join(lost, ", ")
}
