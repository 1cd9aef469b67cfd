package jobs

import (
	"strings"

	"github.com/google/uuid"

	"fountain/cloud/store"
)

// event is a message about jobs for whoever watches the fleet, on $aws/events/job/ID/… or $aws/events/jobExecution/ID/….
type event struct {
	Type      string `json:"eventType"` // JOB, JOB_EXECUTION
	ID        string `json:"eventId"`
	Timestamp int64  `json:"timestamp"` // seconds since 1970; the times below are milliseconds
	Operation string `json:"operation"`
	JobID     string `json:"jobId"`
	Status    string `json:"status"`

	ThingARN      string            `json:"thingArn,omitempty"`
	StatusDetails map[string]string `json:"statusDetails,omitempty"`

	TargetSelection string          `json:"targetSelection,omitempty"`
	Targets         []string        `json:"targets,omitempty"`
	Description     string          `json:"description,omitempty"`
	CompletedAt     int64           `json:"completedAt,omitempty"`
	CreatedAt       int64           `json:"createdAt,omitempty"`
	UpdatedAt       int64           `json:"lastUpdatedAt,omitempty"`
	Comment         string          `json:"comment,omitempty"`
	Details         *ProcessDetails `json:"jobProcessDetails,omitempty"`
}

func (e *event) ofExecution() bool { return e.ThingARN != "" }

func (e *event) topic() string {
	kind := "job"
	if e.ofExecution() {
		kind = "jobExecution"
	}
	return "$aws/events/" + kind + "/" + e.JobID + "/" + e.Operation
}

// note keeps an event until the transaction is committed; its operation is the status in small letters.
func (t *txn) note(e event) *event {
	e.ID, e.Timestamp = uuid.NewString(), t.now.Unix()
	if e.Operation == "" {
		e.Operation = strings.ToLower(e.Status)
	}
	t.events = append(t.events, &e)
	return &e
}

// noteJob notes that a job came into a status.
func (t *txn) noteJob(j *job, status string) *event {
	return t.note(event{
		Type: "JOB", JobID: j.row.ID, Status: status, TargetSelection: j.row.Selection, Targets: j.rec.Targets, Description: j.rec.Description,
		CreatedAt: j.row.Created, UpdatedAt: t.now.UnixMilli(), Comment: j.rec.Comment,
	})
}

// noteExecution notes that an execution ended, or with an operation what else happened to it.
func (t *txn) noteExecution(e *store.JobExecution, operation string) {
	t.note(event{
		Type: "JOB_EXECUTION", JobID: e.Job, Status: e.Status, Operation: operation, ThingARN: t.arn + "thing/" + e.Thing, StatusDetails: e.Details,
	})
}
