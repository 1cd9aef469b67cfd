package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrJobs is wrapped by every error of the job decoders.
var ErrJobs = errors.New("bad job message")

// Limits of AWS IoT Jobs (spec/awsiot.md 3 and 7).
const (
	MaxJobID         = 64        // characters A-Z a-z 0-9 _ -
	MaxJobDocument   = 32 * 1024 // bytes
	MaxStatusDetails = 10        // pairs
	MaxDetailKey     = 128       // characters
	MaxDetailValue   = 1024      // characters; a unit keeps to 128, which every reading of the quota allows
)

// NextJob stands for the id of the job that comes next.
const NextJob = "$next"

// States of a job execution. A device may set JobInProgress, JobSucceeded, JobFailed and JobRejected only.
const (
	JobQueued     = "QUEUED"
	JobInProgress = "IN_PROGRESS"
	JobSucceeded  = "SUCCEEDED"
	JobFailed     = "FAILED"
	JobTimedOut   = "TIMED_OUT"
	JobRejected   = "REJECTED"
	JobRemoved    = "REMOVED"
	JobCanceled   = "CANCELED"
)

// JobTerminal says whether an execution in this state never changes again.
func JobTerminal(status string) bool { return status != JobQueued && status != JobInProgress }

// JobSummary is one execution in a list. Times are seconds since 1970.
type JobSummary struct {
	JobID           string `json:"jobId"`
	QueuedAt        int64  `json:"queuedAt,omitempty"`
	StartedAt       int64  `json:"startedAt,omitempty"`
	LastUpdatedAt   int64  `json:"lastUpdatedAt,omitempty"`
	VersionNumber   int64  `json:"versionNumber,omitempty"`
	ExecutionNumber int64  `json:"executionNumber,omitempty"`
}

// JobExecution is one thing's run of a job. Over MQTT the document is a JSON object.
type JobExecution struct {
	JobSummary
	ThingName             string            `json:"thingName,omitempty"`
	Status                string            `json:"status,omitempty"`
	StatusDetails         map[string]string `json:"statusDetails,omitempty"`
	Document              json.RawMessage   `json:"jobDocument,omitempty"`
	SecondsBeforeTimedOut *int64            `json:"approximateSecondsBeforeTimedOut,omitempty"`
}

// JobExecutionState is the state an update ended in, or was refused in.
type JobExecutionState struct {
	Status        string            `json:"status"`
	StatusDetails map[string]string `json:"statusDetails,omitempty"`
	VersionNumber int64             `json:"versionNumber"`
}

// JobsRequest asks for the pending executions.
type JobsRequest struct {
	ClientToken string `json:"clientToken,omitempty"`
}

// PendingJobs answers JobsRequest. Over HTTPS answers have neither timestamp nor client token.
type PendingJobs struct {
	InProgress  []JobSummary `json:"inProgressJobs"`
	Queued      []JobSummary `json:"queuedJobs"`
	Timestamp   int64        `json:"timestamp,omitempty"`
	ClientToken string       `json:"clientToken,omitempty"`
}

// StartNextJob asks for the next pending execution and begins it.
type StartNextJob struct {
	StatusDetails map[string]string `json:"statusDetails,omitempty"`
	StepTimeout   *int64            `json:"stepTimeoutInMinutes,omitempty"`
	ClientToken   string            `json:"clientToken,omitempty"`
}

// DescribeJob asks for one execution, or for NextJob's.
type DescribeJob struct {
	ExecutionNumber *int64 `json:"executionNumber,omitempty"`
	IncludeDocument *bool  `json:"includeJobDocument,omitempty"` // absent means true
	ClientToken     string `json:"clientToken,omitempty"`
}

// JobAnswer answers StartNextJob and DescribeJob, and is the body of notify-next. Execution is nil when there is none.
type JobAnswer struct {
	Execution   *JobExecution `json:"execution,omitempty"`
	Timestamp   int64         `json:"timestamp,omitempty"`
	ClientToken string        `json:"clientToken,omitempty"`
}

// UpdateJob reports on an execution.
type UpdateJob struct {
	Status          string            `json:"status"`
	StatusDetails   map[string]string `json:"statusDetails,omitempty"`
	ExpectedVersion *int64            `json:"expectedVersion,omitempty"`
	ExecutionNumber *int64            `json:"executionNumber,omitempty"`
	IncludeState    bool              `json:"includeJobExecutionState,omitempty"`
	IncludeDocument bool              `json:"includeJobDocument,omitempty"`
	StepTimeout     *int64            `json:"stepTimeoutInMinutes,omitempty"`
	ClientToken     string            `json:"clientToken,omitempty"`
}

// UpdatedJob answers UpdateJob.
type UpdatedJob struct {
	State       *JobExecutionState `json:"executionState,omitempty"`
	Document    json.RawMessage    `json:"jobDocument,omitempty"`
	Timestamp   int64              `json:"timestamp,omitempty"`
	ClientToken string             `json:"clientToken,omitempty"`
}

// JobsChanged is the body of notify: the pending executions by state; empty when nothing is pending.
type JobsChanged struct {
	Timestamp int64                   `json:"timestamp"`
	Jobs      map[string][]JobSummary `json:"jobs"`
}

// Error codes of the job service.
const (
	JobInvalidTopic      = "InvalidTopic"
	JobInvalidJSON       = "InvalidJson"
	JobInvalidRequest    = "InvalidRequest"
	JobInvalidTransition = "InvalidStateTransition"
	JobNotFound          = "ResourceNotFound"
	JobVersionMismatch   = "VersionMismatch"
	JobInternal          = "InternalError"
	JobThrottled         = "RequestThrottled"
	JobTerminalState     = "TerminalStateReached"
)

// JobError is the body of a rejected job request.
type JobError struct {
	Code        string             `json:"code"`
	Message     string             `json:"message"`
	ClientToken string             `json:"clientToken,omitempty"`
	Timestamp   int64              `json:"timestamp"`
	State       *JobExecutionState `json:"executionState,omitempty"`
}

// Error implements error.
func (e *JobError) Error() string {
	return fmt.Sprintf("job request refused: %s: %s", e.Code, e.Message)
}

// Operations on jobs.
const (
	JobsGet      = "get"
	JobStartNext = "start-next"
	JobUpdate    = "update"
)

// JobsPath is the topic prefix of a thing's jobs.
type JobsPath string

// Jobs returns the prefix of a thing's jobs.
func Jobs(thing string) JobsPath { return JobsPath(thingPrefix + thing + "/jobs") }

// GetPending is the topic that asks for the pending executions.
func (p JobsPath) GetPending() string { return string(p) + "/" + JobsGet }

// StartNext is the topic that begins the next execution.
func (p JobsPath) StartNext() string { return string(p) + "/" + JobStartNext }

// Describe is the topic that asks for one execution.
func (p JobsPath) Describe(id string) string { return string(p) + "/" + id + "/" + JobsGet }

// Update is the topic that reports on one execution.
func (p JobsPath) Update(id string) string { return string(p) + "/" + id + "/" + JobUpdate }

// Notify is the topic on which additions to and removals from the pending executions are told.
func (p JobsPath) Notify() string { return string(p) + "/notify" }

// NotifyNext is the topic on which a change of the next execution is told.
func (p JobsPath) NotifyNext() string { return string(p) + "/notify-next" }

// JobTopic is a topic of the job service taken apart.
type JobTopic struct {
	Thing string
	ID    string // empty for get, start-next, notify and notify-next
	Op    string // get, start-next, update, notify or notify-next
	Kind  string // empty for a request or notification, else accepted or rejected
}

// ParseJobs takes a job topic apart; ok is false when it is none.
func ParseJobs(topic string) (t JobTopic, ok bool) {
	rest, ok := strings.CutPrefix(topic, thingPrefix)
	if !ok {
		return t, false
	}
	l := strings.Split(rest, "/")
	if len(l) < 3 || l[0] == "" || l[1] != "jobs" {
		return t, false
	}
	t.Thing, l = l[0], l[2:]
	switch l[0] {
	case "notify", "notify-next":
		t.Op = l[0]
		return t, len(l) == 1
	case JobsGet, JobStartNext:
		if len(l) == 1 || l[1] == "accepted" || l[1] == "rejected" {
			t.Op, l = l[0], l[1:]
			break
		}
		fallthrough // a job may be named get
	default:
		if len(l) < 2 || l[0] == "" || l[1] != JobsGet && l[1] != JobUpdate {
			return t, false
		}
		t.ID, t.Op, l = l[0], l[1], l[2:]
	}
	switch {
	case len(l) == 0:
		return t, true
	case len(l) == 1 && (l[0] == "accepted" || l[0] == "rejected"):
		t.Kind = l[0]
		return t, true
	}
	return t, false
}

// CheckJobID checks the id of a job.
func CheckJobID(id string) error {
	if strings.Contains(id, ":") {
		return limit("job id %q may hold letters, digits, '_' and '-' only", id)
	}
	return checkIdent("job id", id, MaxJobID)
}

// DecodeJobAnswer parses the answer to StartNextJob or DescribeJob, or a notify-next.
func DecodeJobAnswer(b []byte) (*JobAnswer, error) { return decodeJob[JobAnswer](b) }

// DecodeUpdatedJob parses the answer to UpdateJob.
func DecodeUpdatedJob(b []byte) (*UpdatedJob, error) { return decodeJob[UpdatedJob](b) }

// DecodeJobError parses a refusal.
func DecodeJobError(b []byte) (*JobError, error) { return decodeJob[JobError](b) }

func decodeJob[T any](b []byte) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrJobs, err)
	}
	return v, nil
}
