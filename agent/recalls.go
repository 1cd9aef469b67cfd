package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"

	"fountain/agent/alarm"
	"fountain/agent/beverage"
	"fountain/agent/pour"
	"fountain/agent/recall"
	"fountain/internal/logkey"
	"fountain/sync/shadow"
	"fountain/sync/wire"
)

// recalls is the unit's side of the shadow recall: remote stop. It stops and forbids; nothing it hears opens anything.
//
//	delta, what others write ──hear──► list (counts at once) ──► running pour stopped, menu, alarms
//	                                      └──due──► settle: save, get the document, report ──► shadow
//
// State it owns: the list; why the present document is not used; the newest version heard of.
type recalls struct {
	a    *Agent
	list *recall.List

	taking sync.Mutex // one message or document is taken in at a time
	newest int64      // version heard since the document was asked for

	mu      sync.Mutex
	refused string // why the desired state counts only as far as it forbids
}

// openRecalls reads what is forbidden: it counts before anything else runs.
func openRecalls(a *Agent) (*recalls, error) {
	r := &recalls{a: a}
	var err error
	r.list, err = recall.Open(a.store, filepath.Join(a.cfg.State, recall.Name), r.known)
	return r, err
}

// known tells whether the catalogue has something to forbid.
func (r *recalls) known(section, id string) bool {
	if section == recall.Beverages {
		_, ok := r.a.menu.index[beverage.ID(id)]
		return ok
	}
	_, ok := r.a.catalogue.Ingredient(beverage.IngredientID(id))
	return ok
}

// serve follows the shadow on one connection.
func (r *recalls) serve(ctx context.Context, shadows *shadow.Mux) error {
	return r.a.follow(ctx, shadows, wire.RecallShadow, make(chan struct{}, 1), r.hear, r.settle)
}

// hear takes in what was said on the way.
func (r *recalls) hear(h shadow.Heard) {
	doc, err := wire.DecodeRecall(h.Desired)
	r.taking.Lock()
	r.newest = max(r.newest, h.Version)
	err = errors.Join(err, r.take(doc, h.Version, false)) // what is legible of it is forbidden all the same
	r.taking.Unlock()
	if err != nil {
		r.a.log.Error("a recall cannot be read", slog.Any(logkey.Err, err)) // settle reports it
	}
	if err := r.list.Save(); err != nil { // settle tries again; a null is said only once
		r.a.log.Error("a recall is not durable yet", slog.Any(logkey.Err, err))
	}
}

// take lets a document count.
func (r *recalls) take(doc wire.Recall, version int64, whole bool) error {
	changed, err := r.list.Take(doc, version, whole)
	if changed {
		r.enforce()
	}
	return err
}

// enforce stops the pour or the operation of what is forbidden now, and shows it.
func (r *recalls) enforce() {
	a := r.a
	if p, drink, mix, ok := a.machine.Pouring(); ok {
		if id := a.menu.recalled(r.list, drink, mix); id != "" {
			a.machine.Stop(p, pour.ReasonRecalled)
			a.log.Warn("pour stopped by a recall", slog.String(logkey.Pour, p), slog.String(logkey.Beverage, string(id)))
		}
	}
	a.ops.enforce()
	r.tell()
	a.view.stockChanged()
}

// tell raises an alarm for everything that is forbidden.
func (r *recalls) tell() {
	beverages, ingredients := r.list.All()
	var want []alarm.Alarm
	for _, id := range beverages {
		want = append(want, alarm.Alarm{Name: alarm.BeverageRecalled, Scope: id, Evidence: "shadow " + wire.RecallShadow})
	}
	for _, id := range ingredients {
		want = append(want, alarm.Alarm{Name: alarm.IngredientRecalled, Scope: id, Evidence: "shadow " + wire.RecallShadow})
	}
	r.a.board.Keep([]alarm.Name{alarm.BeverageRecalled, alarm.IngredientRecalled}, want)
}

// settle makes what counts durable, asks for the whole document, and reports what holds. Nothing is reported that a
// power cut could undo; but a disk that is full keeps nothing from being asked for and forbidden.
func (r *recalls) settle(ctx context.Context, client *shadow.Client) error {
	if err := r.list.Save(); err != nil {
		r.a.log.Error("a recall is not durable yet", slog.Any(logkey.Err, err)) // saved once more below
	}
	r.taking.Lock()
	r.newest = 0
	r.taking.Unlock()
	doc, err := document(ctx, client)
	if err != nil {
		return err
	}
	said, err := wire.DecodeRecall(doc.State.Desired)
	r.taking.Lock()
	stale := doc.Version < r.newest
	if !stale {
		err = errors.Join(err, r.take(said, doc.Version, true))
	}
	r.taking.Unlock()
	if stale {
		return nil // overtaken by what was heard, which makes this due again
	}
	why := ""
	if err != nil {
		why, said = err.Error(), wire.Recall{}
		r.a.log.Error("the recall document counts only as far as it forbids", slog.Any(logkey.Err, err))
	}
	r.mu.Lock()
	r.refused = why
	r.mu.Unlock()
	if err := r.list.Save(); err != nil {
		return err
	}
	patch, err := changes(doc.State.Reported, r.report(said, len(doc.State.Desired)))
	if err != nil || patch == nil {
		return err
	}
	return client.Report(ctx, patch)
}

// recallSpare is left of the shadow's 8 KB for the next thing to be desired.
const recallSpare = 256

// report is what holds: everything forbidden, and what the cloud says is allowed. What finds no room beside desired is
// counted.
func (r *recalls) report(said wire.Recall, desired int) wire.RecallReport {
	beverages, ingredients := r.list.All()
	rep := wire.RecallReport{Beverages: mirror(beverages, said.Beverages), Ingredients: mirror(ingredients, said.Ingredients)}
	for _, sec := range []struct {
		name string
		ids  []string
	}{{recall.Beverages, beverages}, {recall.Ingredients, ingredients}} {
		for _, id := range sec.ids {
			if !r.known(sec.name, id) {
				rep.Unknown = append(rep.Unknown, sec.name+"."+id)
			}
		}
	}
	r.mu.Lock()
	rep.Refused = r.refused
	r.mu.Unlock()
	if most := recallSpare / 2; len(rep.Refused) > most {
		rep.Refused = strings.ToValidUTF8(rep.Refused[:most], "")
	}
	if b, err := json.Marshal(rep); err == nil && len(b)+desired > wire.MaxShadowState-recallSpare {
		rep = wire.RecallReport{More: len(beverages) + len(ingredients), Refused: rep.Refused}
	}
	return rep
}

func mirror(forbidden []string, said map[string]*bool) map[string]bool {
	out := map[string]bool{}
	for id := range said {
		out[id] = false
	}
	for _, id := range forbidden {
		out[id] = true
	}
	return out
}
