package agent

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"fountain/agent/access"
	"fountain/agent/api"
	"fountain/agent/apiserver"
	"fountain/internal/logkey"
)

// auditShown is how many service actions GET /v1/service/audit returns.
const auditShown = 500

// audit is the trail of service actions. A trail that cannot be written stops nobody's work: what a line cannot take is
// in the log, and the next answer says that lines are missing.
//
// State it owns: the file, and how many lines were lost since the start.
type audit struct {
	trail  *access.Trail // nil: it could not be opened
	cannot error         // why
	log    *slog.Logger

	mu   sync.Mutex
	lost int
}

var _ apiserver.Audit = (*audit)(nil)

// openAudit opens the trail in dir. One that cannot be opened keeps no unit from pouring.
func openAudit(dir string, log *slog.Logger) *audit {
	s := &audit{log: log}
	var err error
	if s.trail, err = access.OpenTrail(dir); err != nil {
		s.cannot = err
		log.Error("open the audit trail", slog.Any(logkey.Err, err))
	}
	return s
}

func (s *audit) close() {
	if s.trail != nil {
		_ = s.trail.Close() // every line was synced
	}
}

// note enters what person did to line (or to nothing in particular), and how it went. It waits for the disk: not for the
// control loop.
func (s *audit) note(person, action, line, result string) {
	s.log.Info("service action", slog.String(logkey.Person, person), slog.String(logkey.Action, action), slog.String(logkey.Line, line), slog.String(logkey.State, result))
	err := s.cannot
	if err == nil {
		err = s.trail.Append(access.Entry{At: time.Now(), Person: person, Action: action, Line: line, Result: result})
	}
	if err != nil {
		s.mu.Lock()
		s.lost++
		s.mu.Unlock()
		s.log.Error("note service action", slog.Any(logkey.Err, err))
	}
}

// noted is note with the outcome of a call.
func (s *audit) noted(person, action, line string, err error) {
	result := "done"
	if err != nil {
		result = "refused: " + err.Error()
	}
	s.note(person, action, line, result)
}

// List returns the newest actions first. What is missing is an entry of its own.
func (s *audit) List() ([]api.AuditEntry, error) {
	if s.cannot != nil {
		return nil, s.cannot
	}
	entries, damaged, err := s.trail.Recent(auditShown)
	if err != nil {
		return nil, err
	}
	var out []api.AuditEntry
	s.mu.Lock()
	if s.lost > 0 {
		out = append(out, api.AuditEntry{
			At: time.Now(), Person: "-", Action: "missing", Result: fmt.Sprintf("%d actions since the start could not be written; they are in the log", s.lost),
		})
	}
	s.mu.Unlock()
	for _, d := range damaged {
		out = append(out, api.AuditEntry{
			At: time.Now(), Person: "-", Action: "unreadable", Line: filepath.Base(d.File), Result: fmt.Sprintf("%d damaged lines were skipped", d.Lines),
		})
	}
	for _, e := range entries {
		out = append(out, api.AuditEntry(e))
	}
	return out, nil
}

// opStarted notes an operation that was begun, or refused with err.
func (a *Agent) opStarted(req api.StartOp, err error) {
	action := "start " + req.Kind
	if req.Params["dry"] == "true" {
		action += " (dry)"
	}
	a.audit.noted(req.Person, action, req.Line, err)
}

// opEnded notes what an operation came to, in the trail and for the wizard.
func (a *Agent) opEnded(person string, o api.Op) {
	result := o.Outcome
	if o.Reason != "" && o.Reason != o.Outcome {
		result += ": " + o.Reason
	}
	a.audit.note(person, o.Kind, o.Line, fmt.Sprintf("%s, %s flowed", result, ml(o.FlowedUL)))
	if o.Kind == api.OpSelfTest && o.Outcome == api.OpDone {
		a.setup.passed(person)
	}
}
