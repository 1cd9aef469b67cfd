package maintenance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"fountain/agent/api"
	"fountain/agent/pour"
	"fountain/hal"
	"fountain/internal/problem"
)

// setting is the key of the book in the store.
const setting = "maintenance"

// Limits of what the book keeps.
const (
	keptCalibrations = 8 // per line
	keptReports      = 50
)

// Codes of lock-outs. The book holds LockCleaning only; a valve that did not shut is locked out by the machine, which sees
// it, until Report.Sound names it.
const (
	LockCleaning = "cleaning" // a cleaning began and its final rinse is not proven
	LockStuck    = pour.ReasonStuckOpen
)

// Nozzle is the scope of what is cleaned by hand at the nozzle: it concerns every line.
const Nozzle = "nozzle"

// Store is the part of the store's settings that the book needs; *store.Store is one.
type Store interface {
	Setting(key string) ([]byte, bool, error)
	PutSetting(key string, value []byte) error
}

// Line is one part that is in service: it has a calibration, a cleaning schedule or both; an agitator has neither.
type Line struct {
	ID         string
	Kind       hal.Kind // valve, meter, pump or agitator
	Ingredient string
	Slot       string // that a pump draws from
}

// Lock is one lock-out.
type Lock struct {
	Code    string    `json:"code"`
	Since   time.Time `json:"since"`
	Op      string    `json:"op,omitempty"`
	RinseUL int64     `json:"rinse_ul,omitempty"` // what the final rinse has to prove, µL
}

// Work is an operation under way, as the book keeps it: durable before anything flows.
type Work struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Line    string    `json:"line,omitempty"`
	Recipe  string    `json:"recipe,omitempty"`
	Person  string    `json:"person"`
	Started time.Time `json:"started"`
	Scope   string    `json:"scope,omitempty"` // locked out by it: a line or Nozzle; empty: none
	RinseUL int64     `json:"rinse_ul,omitempty"`
}

// Done is the proof record of the last time a job was done.
type Done struct {
	At     time.Time `json:"at"`
	Op     string    `json:"op"`
	Person string    `json:"person"`
	Recipe string    `json:"recipe,omitempty"`
}

// Entry is one ended operation.
type Entry struct {
	Work
	Ended    time.Time      `json:"ended"`
	Outcome  string         `json:"outcome"` // api.OpDone …, or Interrupted
	Reason   string         `json:"reason,omitempty"`
	WastedUL int64          `json:"wasted_ul"`
	Steps    []api.OpStep   `json:"steps,omitempty"`
	Evidence []api.Evidence `json:"evidence,omitempty"`
}

// Interrupted is the outcome of an operation that the end of the process cut short.
const Interrupted = "interrupted"

// saved is the book as it lies in the store.
type saved struct {
	Schema       int                          `json:"schema"`
	Begun        time.Time                    `json:"begun"`
	Calibrations map[string][]api.Calibration `json:"calibrations,omitempty"` // by line, newest first; [0] is in use
	Done         map[string]Done              `json:"done,omitempty"`         // by jobKey
	Locks        map[string]Lock              `json:"locks,omitempty"`        // by line or Nozzle
	Under        *Work                        `json:"under,omitempty"`
	Log          []Entry                      `json:"log,omitempty"`    // newest first
	Wasted       map[string]int64             `json:"wasted,omitempty"` // µL by kind of operation, since the book began
}

const schema = 1

// Book is the unit's service book. Every change is durable before the call returns; a change that cannot be stored is
// not made. Safe for concurrent use.
type Book struct {
	store Store
	lines []Line

	mu   sync.Mutex
	data saved
	cut  *Work // what OpenBook found under way

	before *Lock // on the scope of what Begin noted last
}

// OpenBook reads the book. An operation it finds under way was cut short by the end of a process: it is entered as
// interrupted, and what it locked out stays so.
func OpenBook(store Store, lines []Line, now time.Time) (*Book, error) {
	b := &Book{store: store, lines: slices.Clone(lines), data: saved{Schema: schema, Begun: now}}
	raw, ok, err := store.Setting(setting)
	if err != nil {
		return nil, fmt.Errorf("read service book: %w", err)
	}
	if ok {
		if err := json.Unmarshal(raw, &b.data); err != nil {
			return nil, &problem.Problem{
				Code: problem.CodeDamaged, Where: setting, What: "the service book cannot be read: " + err.Error(),
				Remedy: "call support: lines under cleaning are locked out in it",
			}
		}
		if b.data.Schema > schema {
			return nil, &problem.Problem{
				Code: problem.CodeNewerSchema, Where: setting, What: "the service book was written by a newer version",
				Remedy: "install that version again",
			}
		}
	}
	if b.cut = b.data.Under; b.cut != nil || !ok {
		next := b.copy()
		if b.cut != nil {
			next.Under = nil
			next.enter(Entry{Work: *b.cut, Ended: now, Outcome: Interrupted, Reason: "restart"})
		}
		if err := b.put(next); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Cut is the operation that the end of the last process interrupted; nil when there was none.
func (b *Book) Cut() *Work { return b.cut }

// Begin notes an operation that is about to start and locks out its scope. Only when it returns nil may anything flow.
func (b *Book) Begin(o Work) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.copy()
	next.Under = &o
	l, was := next.Locks[o.Scope]
	before := l
	if o.Scope != "" {
		if !was || l.Code != LockCleaning {
			l = Lock{Code: LockCleaning, Since: o.Started}
		}
		l.Op, l.RinseUL = o.ID, max(l.RinseUL, o.RinseUL) // a shorter recipe does not lessen what an earlier one owes
		next.Locks[o.Scope] = l
	}
	if err := b.put(next); err != nil {
		return err
	}
	b.before = nil
	if was {
		b.before = &before
	}
	return nil
}

// NotBegun takes back what Begin noted of an operation that the machine refused: nothing of it happened. A lock-out that
// stood before stays.
func (b *Book) NotBegun(id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.data.Under == nil || b.data.Under.ID != id {
		return nil
	}
	next := b.copy()
	switch scope := next.Under.Scope; {
	case scope == "":
	case b.before != nil:
		next.Locks[scope] = *b.before
	default:
		delete(next.Locks, scope)
	}
	next.Under = nil
	return b.put(next)
}

// End enters an operation that has ended, and draws its consequences: a proven cleaning lifts the lock-out of its scope, a
// calibration is in use from now on, a job is done until it is due again.
func (b *Book) End(r Report) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	next := b.copy()
	e := Entry{Ended: r.Ended, Outcome: r.Outcome, Reason: r.Reason, WastedUL: r.WastedUL, Steps: r.Steps, Evidence: r.Evidence}
	e.Work = Work{ID: r.ID, Kind: r.Kind, Line: r.Line, Recipe: r.Recipe, Person: r.Person, Started: r.Started, Scope: r.scope, RinseUL: r.rinseUL}
	if next.Under != nil && next.Under.ID == r.ID {
		e.Work, next.Under = *next.Under, nil
	}
	next.enter(e)
	next.Wasted[r.Kind] += r.WastedUL
	if r.Outcome == api.OpDone {
		done := Done{At: r.Ended, Op: r.ID, Person: r.Person, Recipe: r.Recipe}
		for _, j := range r.jobs {
			next.Done[j] = done
		}
		if l, ok := next.Locks[r.scope]; ok && r.scope != "" && l.Code == LockCleaning && r.proven && r.rinseUL >= l.RinseUL {
			delete(next.Locks, r.scope)
		}
	}
	for line, c := range r.calibrations {
		next.calibrate(line, c)
	}
	return b.put(next)
}

// Locks are the lock-outs as they stand, by line or Nozzle.
func (b *Book) Locks() map[string]Lock {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.data.Locks)
}

// LockedOut names every line that must not pour, with the code why. A lock-out of the nozzle locks every valve.
func (b *Book) LockedOut() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lockedOut()
}

func (b *Book) lockedOut() map[string]string {
	out := map[string]string{}
	if l, ok := b.data.Locks[Nozzle]; ok {
		for _, line := range b.lines {
			if line.Kind == hal.KindValve {
				out[line.ID] = l.Code
			}
		}
	}
	for id, l := range b.data.Locks {
		if id != Nozzle {
			out[id] = l.Code
		}
	}
	return out
}

// Factors are the calibrations in use, by meter and pump: 1.02 gives 2 % more than its plate says.
func (b *Book) Factors() map[string]float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]float64{}
	for id, h := range b.data.Calibrations {
		if len(h) > 0 {
			out[id] = h[0].Factor
		}
	}
	return out
}

// Undo goes back to the calibration before the present one; before the first there is the plate.
func (b *Book) Undo(line string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.data.Calibrations[line]
	if len(h) == 0 {
		return &problem.Problem{
			Code: problem.CodeConflict, Where: line, What: "this line has no calibration to undo", Remedy: "calibrate it",
		}
	}
	next := b.copy()
	next.Calibrations[line] = slices.Clone(h[1:])
	return b.put(next)
}

// WastedUL is what flowed in operations since the book began, µL by kind of operation.
func (b *Book) WastedUL() map[string]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.data.Wasted)
}

// Log lists ended operations, newest first.
func (b *Book) Log() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.data.Log)
}

// Lines lists the lines in service with their history, sorted by id.
func (b *Book) Lines() []api.Line {
	b.mu.Lock()
	defer b.mu.Unlock()
	locked := b.lockedOut()
	out := make([]api.Line, 0, len(b.lines))
	for _, l := range b.lines {
		row := api.Line{ID: l.ID, Kind: string(l.Kind), Ingredient: l.Ingredient, Slot: l.Slot, LockedOut: locked[l.ID]}
		if h := b.data.Calibrations[l.ID]; len(h) > 0 {
			row.Calibration = &h[0]
			row.History = slices.Clone(h[1:])
		}
		if d, ok := b.data.Done[jobKey(JobClean, l.ID)]; ok {
			row.Cleaned = &d.At
		}
		if l.Kind == hal.KindValve || l.Kind == hal.KindPump {
			due := b.dueAt(JobClean, l.ID)
			row.CleanDue = &due
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(x, y api.Line) int { return cmp.Compare(x.ID, y.ID) })
	return out
}

// Line is one of Lines; CodeNotFound when there is none.
func (b *Book) Line(id string) (api.Line, error) {
	for _, l := range b.Lines() {
		if l.ID == id {
			return l, nil
		}
	}
	return api.Line{}, &problem.Problem{
		Code: problem.CodeNotFound, Where: id, What: "there is no such line in service", Remedy: "GET /v1/service/lines lists them",
	}
}

func (s *saved) enter(e Entry) {
	s.Log = append([]Entry{e}, s.Log...)
	if len(s.Log) > keptReports {
		s.Log = s.Log[:keptReports]
	}
	for i := 4; i < len(s.Log); i++ { // the book is one small value: only the newest keep their figures
		s.Log[i].Evidence, s.Log[i].Steps = nil, nil
	}
}

func (s *saved) calibrate(line string, c api.Calibration) {
	h := append([]api.Calibration{c}, s.Calibrations[line]...)
	if len(h) > keptCalibrations {
		h = h[:keptCalibrations]
	}
	s.Calibrations[line] = h
}

// copy is the data to change. Slices inside are replaced, never written to.
func (b *Book) copy() *saved {
	c := b.data
	c.Calibrations, c.Done, c.Locks, c.Wasted = clone(c.Calibrations), clone(c.Done), clone(c.Locks), clone(c.Wasted)
	c.Log = slices.Clone(c.Log)
	return &c
}

func clone[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

// put stores next and makes it the book.
func (b *Book) put(next *saved) error {
	raw, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode service book: %w", err)
	}
	if err := b.store.PutSetting(setting, raw); err != nil {
		return fmt.Errorf("store service book: %w", err)
	}
	b.data = *next
	return nil
}
