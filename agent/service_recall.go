package agent

import (
	"fmt"
	"log/slog"

	"fountain/agent/api"
	"fountain/agent/maintenance"
	"fountain/agent/pour"
	"fountain/internal/logkey"
	"fountain/internal/problem"
)

// recalled refuses what fills a line or a measuring vessel with something that was recalled. What takes it out, or tests
// the line as it is, goes on.
func (o *ops) recalled(p *maintenance.Program) error {
	switch p.Kind {
	case api.OpPrime, api.OpCalibrate, api.OpBrix:
	default:
		return nil
	}
	for _, c := range p.Chans {
		for _, l := range o.lines {
			if l.ID == c.ID && l.Ingredient != "" && o.a.recalls.list.Ingredient(l.Ingredient) {
				return &problem.Problem{
					Code: problem.CodeUnavailable, Where: l.Ingredient, What: fmt.Sprintf("%s was recalled: nothing of it may come into a vessel", l.Ingredient),
					Remedy: "purge and clean the line; only the cloud lifts a recall",
				}
			}
		}
	}
	return nil
}

// enforce stops the operation under way if it brings what was recalled.
func (o *ops) enforce() {
	o.mu.Lock()
	s, p := o.live, o.program
	o.mu.Unlock()
	if s == nil || o.recalled(p) == nil {
		return
	}
	s.Stop(pour.ReasonRecalled)
	o.a.log.Warn("operation stopped by a recall", slog.String(logkey.Session, s.ID()), slog.String(logkey.Line, p.Line))
}
