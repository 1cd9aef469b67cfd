package jobs

import (
	"encoding/json"
	"fmt"
	"log/slog"

	"fountain/internal/logkey"
)

// kept is what outlives the process.
type kept struct {
	Now  *entry  `json:"now,omitempty"`  // under way, or done and not reported yet
	Done []entry `json:"done,omitempty"` // the last ones reported
}

// entry is one execution. With Status it is done.
type entry struct {
	ID       string            `json:"id"`
	Number   int64             `json:"number"`
	Step     string            `json:"step,omitempty"`
	Attempts int               `json:"attempts,omitempty"` // begun so often
	Status   string            `json:"status,omitempty"`
	Details  map[string]string `json:"details,omitempty"`
}

func (e entry) is(id string, number int64) bool { return e.ID == id && e.Number == number }

// remembered is how many executions done are told from new ones: notifications repeat, and a cloud that was restored
// hands out again what it has forgotten.
const remembered = 8

func load(j Journal) (kept, error) {
	var k kept
	b, err := j.Load()
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &k)
	}
	if err != nil {
		return kept{}, fmt.Errorf("read what is kept of jobs: %w", err)
	}
	return k, nil
}

// save makes what is kept durable; called with mu held.
func (j *Jobs) save() error {
	b, err := json.Marshal(j.kept)
	if err == nil {
		err = j.cfg.Journal.Save(b)
	}
	if err != nil {
		return fmt.Errorf("keep the state of a job: %w", err)
	}
	return nil
}

// note keeps a step of what is under way.
func (j *Jobs) note(step string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.kept.Now == nil {
		return ErrWithdrawn
	}
	j.kept.Now.Step = step
	return j.save()
}

// settle forgets the execution under way; with a status it is remembered as done.
func (j *Jobs) settle() {
	j.mu.Lock()
	defer j.mu.Unlock()
	e := j.kept.Now
	j.work, j.kept.Now = nil, nil
	if e != nil && e.Status != "" {
		j.kept.Done = append(j.kept.Done, entry{ID: e.ID, Number: e.Number, Status: e.Status, Details: e.Details})
		j.kept.Done = j.kept.Done[max(0, len(j.kept.Done)-remembered):]
	}
	if err := j.save(); err != nil { // the cloud says at the next start that it is over
		j.cfg.Log.Warn("jobs", slog.Any(logkey.Err, err))
	}
}
