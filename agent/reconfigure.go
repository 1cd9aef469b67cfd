package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"

	"fountain/agent/config"
	"fountain/internal/logkey"
	"fountain/internal/problem"
	"fountain/sync/shadow"
	"fountain/sync/wire"
)

// remote is the unit's side of the shadow config, and what counts of the configuration by now.
//
//	desired ──Now: whole or not at all──► file in the state directory ──► present ──► screen, pace, log level
//	technician's file ──────────────────────────────────────────────────►    └──► reported: what counts, what does not and why
//
// State it owns: the last good state, why the newest is not used, whom to wake for a report.
type remote struct {
	a    *Agent
	file string

	mu      sync.Mutex
	good    config.Shadow // the last good state
	judged  config.Shadow // the newest seen
	refused []*problem.Problem
	due     chan struct{} // one signal: there is something to report
	trying  string        // endpoints that are being tried; empty: none
}

func openRemote(a *Agent) *remote {
	r := &remote{a: a, file: filepath.Join(a.cfg.State, config.CloudName), due: make(chan struct{}, 1), refused: a.cfg.Config.CloudRefused}
	good, err := config.ReadShadow(r.file)
	if err != nil {
		a.log.Warn("config shadow", slog.Any(logkey.Err, err)) // it is told again at the next connection
	}
	r.good, r.judged = good, good
	a.present.Store(a.cfg.Config)
	return r
}

// apply lets what the shadow and the technician say by now count as far as it can without a restart. With refusals
// nothing has changed.
func (r *remote) apply(s config.Shadow) []*problem.Problem {
	a := r.a
	next, refused := a.cfg.Config.Now(s, a.technicianFile())
	if next == nil {
		return refused
	}
	a.present.Store(next)
	a.shown.Store(&next.Unit)
	a.cloud.setPace(next.Sync.DrainRate)
	a.loglevel.configured(next.Log.Level)
	a.view.bump()
	return nil
}

// technician follows a change of the technician's file.
func (r *remote) technician() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if refused := r.apply(r.good); refused != nil { // the two do not go together: the technician stands in front of the machine
		r.refused = refused
		_ = r.apply(config.Shadow{}) // what is wrong now is wrong at a start too
	}
	wake(r.due)
}

// serve follows the shadow on one connection. Every change makes it ask for the whole document: a key that was removed
// shows nowhere else.
func (r *remote) serve(ctx context.Context, shadows *shadow.Mux) error {
	return r.a.follow(ctx, shadows, wire.ConfigShadow, r.due, func(shadow.Heard) {}, r.settle)
}

// settle judges the document and reports.
func (r *remote) settle(ctx context.Context, client *shadow.Client) error {
	doc, err := document(ctx, client)
	if err != nil {
		return err
	}
	if err := r.judge(config.Shadow{Version: doc.Version, Desired: doc.State.Desired}); err != nil {
		return err
	}
	patch, err := changes(doc.State.Reported, r.report())
	if err != nil || patch == nil {
		return err
	}
	return client.Report(ctx, patch)
}

// judge uses a desired state if it is good. A state that is kept has to be durable before it counts: a unit must not
// fall back at its next start.
func (r *remote) judge(s config.Shadow) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if same(s.Desired, r.judged.Desired) {
		return nil
	}
	next, refused := r.a.cfg.Config.Now(s, r.a.technicianFile())
	if refused != nil {
		for _, p := range refused {
			r.a.log.Warn("the config shadow is not used", slog.String(logkey.Key, p.Where), slog.String(logkey.Reason, p.What))
		}
		r.judged, r.refused = s, refused
		return nil
	}
	if list := next.Cloud.MQTT; list != r.a.present.Load().Cloud.MQTT && list != "" {
		r.tryFirst(s, list)
		return nil
	}
	return r.take(s)
}

// take uses a state that was judged good; called with mu held.
func (r *remote) take(s config.Shadow) error {
	if err := config.KeepShadow(r.file, s); err != nil {
		return err
	}
	r.judged, r.good, r.refused = s, s, nil
	_ = r.apply(s) // judged good a moment ago
	r.a.log.Info("the config shadow is used", slog.Int64(logkey.Version, s.Version))
	return nil
}

// tryFirst has new endpoints tried before the state that names them counts: one that is wrong would take the unit off the
// line. The connection ends for it; what came of it is reported on the next. Called with mu held.
func (r *remote) tryFirst(s config.Shadow, list string) {
	if r.trying != "" {
		return // its end asks again
	}
	select {
	case r.a.cloud.lists <- newList{mqtt: list, reply: func(err error) { r.tried(s, list, err) }}:
		r.trying = list
		r.a.log.Info("new endpoints are tried", slog.String(logkey.Addr, list))
	default: // nobody takes it now: asked again at the next connection
	}
}

// tried takes what came of new endpoints.
func (r *remote) tried(s config.Shadow, list string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trying = ""
	if errors.Is(err, errUntried) {
		return // the next connection asks again
	}
	if err == nil {
		err = r.take(s)
	}
	if err != nil {
		r.judged = s
		r.refused = []*problem.Problem{{Code: problem.CodeBadConfig, Where: "cloud.mqtt", What: err.Error(), Remedy: "correct the list; the endpoints before stay in use"}}
	}
	wake(r.due)
}

func same(a, b json.RawMessage) bool {
	var x, y any
	if len(a) > 0 && json.Unmarshal(a, &x) != nil || len(b) > 0 && json.Unmarshal(b, &y) != nil {
		return false
	}
	return equal(x, y)
}

// most refusals that are reported: the first say enough.
const refusalsMost = 10

// report is the reported state: what counts of the last good state, and how the newest fared.
func (r *remote) report() map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.a.present.Load()
	st := wire.ConfigReport{Version: r.judged.Version, Overridden: now.Overridden(r.good)}
	for _, p := range r.refused[:min(len(r.refused), refusalsMost)] {
		st.Refused = append(st.Refused, wire.ConfigRefusal{Key: brief(p.Where), What: brief(p.What), Remedy: brief(p.Remedy)})
	}
	for len(st.Refused) > 1 { // they share the shadow's room with what they refuse
		if b, err := json.Marshal(st.Refused); err != nil || len(b)+len(r.judged.Desired)+len(r.good.Desired) <= wire.MaxShadowState-recallSpare {
			break
		}
		st.Refused = st.Refused[:len(st.Refused)-1]
	}
	for _, key := range now.Differs(r.a.cfg.Config) {
		if !config.Live(key) && (now.Origin(key).Kind == config.FromCloud || r.a.cfg.Config.Origin(key).Kind == config.FromCloud) {
			st.Restart = append(st.Restart, key)
		}
	}
	out := now.Applied(r.good)
	out[wire.ConfigStatus] = st
	return out
}

// brief is a text that a shadow has room for: a refused value may be as large as the whole shadow.
func brief(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// problems is why values were left out at the start or since, for the technician.
func (r *remote) problems() []*problem.Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}
