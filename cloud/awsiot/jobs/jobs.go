// Package jobs is AWS IoT's job service (spec/awsiot.md 7): what a unit asks over MQTT or HTTPS, and what an operator asks
// over REST. It imports cloud/store, awsiot/broker's Request, sync/wire and internal packages.
//
//	operator ──CreateJob, CancelJob …──► Service ──► store: jobs, executions
//	unit ──$aws/things/T/jobs/… ───────►    │  └──► publish: notify, notify-next, events
//	clock ──Run──► rollout, timers, schedule┘
//
// All state is in the store, in one transaction for each request, so several processes may serve the same store and a
// restart forgets nothing; Run looks for what is due there. The service keeps only one lock per thing, which orders what
// is published about it, and the rate limits of requests.
package jobs

import (
	"context"
	"time"

	"fountain/sync/wire"
)

// Fleet answers who is meant by a target.
type Fleet interface {
	// HasThing says whether a thing is registered.
	HasThing(ctx context.Context, thing string) (bool, error)
	// GroupMembers lists the things of a thing group and of the groups below it; ok is false when there is no such group.
	GroupMembers(ctx context.Context, group string) (things []string, ok bool, err error)
}

// Presigner makes URLs for the placeholders of a job document.
type Presigner interface {
	// Presign allows one method (GET or PUT) on one object for a time, on behalf of a thing.
	Presign(method, bucket, key, thing string, expires time.Duration) (url string, err error)
}

// Error is a refusal of the REST interfaces. Code is the exception's name, Status the HTTP status.
type Error struct {
	Code    string
	Status  int
	Message string
	// ResourceID and ResourceARN are set with ResourceAlreadyExistsException.
	ResourceID, ResourceARN string
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Target selections.
const (
	Snapshot   = "SNAPSHOT"
	Continuous = "CONTINUOUS"
)

// States of a job.
const (
	Scheduled  = "SCHEDULED"
	InProgress = "IN_PROGRESS"
	Canceled   = "CANCELED"
	Completed  = "COMPLETED"
	Deletion   = "DELETION_IN_PROGRESS"
)

// CreateJobRequest is the body of CreateJob. The job's id is of the path.
type CreateJobRequest struct {
	JobID          string   `json:"-"`
	Targets        []string `json:"targets"`
	DocumentSource string   `json:"documentSource,omitempty"`
	Document       string   `json:"document,omitempty"`
	Namespace      string   `json:"namespaceId,omitempty"`
	Settings
	TargetSelection string            `json:"targetSelection,omitempty"`
	Scheduling      *SchedulingConfig `json:"schedulingConfig,omitempty"`
	TemplateARN     string            `json:"jobTemplateArn,omitempty"` // what a Template filled in is in the other members
	Parameters      map[string]string `json:"documentParameters,omitempty"`
	Packages        []string          `json:"destinationPackageVersions,omitempty"`
	Tags            []Tag             `json:"tags,omitempty"`
}

// Settings are what UpdateJob may change.
type Settings struct {
	Description string         `json:"description,omitempty"`
	Presigned   *PresignedURL  `json:"presignedUrlConfig,omitempty"`
	Rollout     *RolloutConfig `json:"jobExecutionsRolloutConfig,omitempty"`
	Abort       *AbortConfig   `json:"abortConfig,omitempty"`
	Timeout     *TimeoutConfig `json:"timeoutConfig,omitempty"`
	Retry       *RetryConfig   `json:"jobExecutionsRetryConfig,omitempty"`
}

// Tag is accepted and kept.
type Tag struct {
	Key   string `json:"Key"`
	Value string `json:"Value,omitempty"`
}

// PresignedURL says how long the URLs of placeholders live.
type PresignedURL struct {
	RoleARN      string `json:"roleArn,omitempty"`
	ExpiresInSec *int64 `json:"expiresInSec,omitempty"` // 60 to 3600, default 3600
}

// RolloutConfig bounds how many things are told of a job in a minute.
type RolloutConfig struct {
	MaximumPerMinute *int64           `json:"maximumPerMinute,omitempty"` // 1 to 1000
	Exponential      *ExponentialRate `json:"exponentialRate,omitempty"`
}

// ExponentialRate starts slowly and multiplies the rate by IncrementFactor each time a criterion is met.
type ExponentialRate struct {
	BaseRatePerMinute *int64        `json:"baseRatePerMinute,omitempty"` // 1 to 1000
	IncrementFactor   *float64      `json:"incrementFactor,omitempty"`   // 1.1 to 5, one decimal
	Criteria          *RateCriteria `json:"rateIncreaseCriteria,omitempty"`
}

// RateCriteria has one of its members.
type RateCriteria struct {
	Notified  *int64 `json:"numberOfNotifiedThings,omitempty"`
	Succeeded *int64 `json:"numberOfSucceededThings,omitempty"`
}

// AbortConfig says when a job is canceled because too much goes wrong.
type AbortConfig struct {
	Criteria []AbortCriterion `json:"criteriaList"`
}

// AbortCriterion is met when at least MinExecuted things have ended and Threshold per cent of them in the way named.
type AbortCriterion struct {
	FailureType string   `json:"failureType"` // FAILED, REJECTED, TIMED_OUT, ALL
	Action      string   `json:"action"`      // CANCEL
	Threshold   *float64 `json:"thresholdPercentage,omitempty"`
	MinExecuted *int64   `json:"minNumberOfExecutedThings,omitempty"`
}

// TimeoutConfig bounds an execution's time in IN_PROGRESS.
type TimeoutConfig struct {
	InProgressMinutes *int64 `json:"inProgressTimeoutInMinutes,omitempty"` // 1 to 10080
}

// RetryConfig says how often an execution is tried again.
type RetryConfig struct {
	Criteria []RetryCriterion `json:"criteriaList"`
}

// RetryCriterion is about one kind of failure.
type RetryCriterion struct {
	FailureType string `json:"failureType"` // FAILED, TIMED_OUT, ALL
	Retries     *int64 `json:"numberOfRetries,omitempty"`
}

// SchedulingConfig bounds when a job runs. Times are written "2026-11-23T06:30" and mean UTC unless they have an offset.
type SchedulingConfig struct {
	StartTime   string              `json:"startTime,omitempty"`
	EndTime     string              `json:"endTime,omitempty"`
	EndBehavior string              `json:"endBehavior,omitempty"` // STOP_ROLLOUT, CANCEL, FORCE_CANCEL
	Windows     []MaintenanceWindow `json:"maintenanceWindows,omitempty"`
}

// MaintenanceWindow recurs; a rollout goes on only inside. StartTime is
// "cron(minutes hours day-of-month month day-of-week year)".
type MaintenanceWindow struct {
	StartTime string `json:"startTime"`
	Minutes   *int64 `json:"durationInMinutes,omitempty"` // 1 to 1430
}

// JobRef answers CreateJob, CancelJob and AssociateTargetsWithJob.
type JobRef struct {
	ARN         string `json:"jobArn"`
	JobID       string `json:"jobId"`
	Description string `json:"description,omitempty"`
}

// DescribeJobResponse answers DescribeJob.
type DescribeJobResponse struct {
	DocumentSource string `json:"documentSource,omitempty"`
	Job            Job    `json:"job"`
}

// Job is a job as DescribeJob tells it. Times are seconds since 1970.
type Job struct {
	ARN             string   `json:"jobArn"`
	JobID           string   `json:"jobId"`
	TargetSelection string   `json:"targetSelection"`
	Status          string   `json:"status"`
	ForceCanceled   bool     `json:"forceCanceled,omitempty"`
	ReasonCode      string   `json:"reasonCode,omitempty"`
	Comment         string   `json:"comment,omitempty"`
	Targets         []string `json:"targets"`
	Settings
	CreatedAt   int64             `json:"createdAt"`
	UpdatedAt   int64             `json:"lastUpdatedAt"`
	CompletedAt int64             `json:"completedAt,omitempty"`
	Details     ProcessDetails    `json:"jobProcessDetails"`
	Namespace   string            `json:"namespaceId,omitempty"`
	TemplateARN string            `json:"jobTemplateArn,omitempty"`
	Parameters  map[string]string `json:"documentParameters,omitempty"`
	Concurrent  bool              `json:"isConcurrent"`
	Scheduling  *SchedulingConfig `json:"schedulingConfig,omitempty"`
	Rollouts    []ScheduledStart  `json:"scheduledJobRollouts,omitempty"`
	Packages    []string          `json:"destinationPackageVersions,omitempty"`
}

// ScheduledStart is when a maintenance window opens.
type ScheduledStart struct {
	StartTime string `json:"startTime"`
}

// ProcessDetails counts a job's executions, the latest of each thing.
type ProcessDetails struct {
	ProcessingTargets []string `json:"processingTargets,omitempty"`
	Canceled          int64    `json:"numberOfCanceledThings"`
	Succeeded         int64    `json:"numberOfSucceededThings"`
	Failed            int64    `json:"numberOfFailedThings"`
	Rejected          int64    `json:"numberOfRejectedThings"`
	Queued            int64    `json:"numberOfQueuedThings"`
	InProgress        int64    `json:"numberOfInProgressThings"`
	Removed           int64    `json:"numberOfRemovedThings"`
	TimedOut          int64    `json:"numberOfTimedOutThings"`
}

// ListJobsRequest filters and pages. Max 0 means 250.
type ListJobsRequest struct {
	Status, TargetSelection, GroupName, GroupID string
	Max                                         int
	Token                                       string
}

// ListJobsResponse answers ListJobs, newest first.
type ListJobsResponse struct {
	Jobs      []JobSummary `json:"jobs"`
	NextToken string       `json:"nextToken,omitempty"`
}

// JobSummary is a job in a list.
type JobSummary struct {
	ARN             string `json:"jobArn"`
	JobID           string `json:"jobId"`
	GroupID         string `json:"thingGroupId,omitempty"`
	TargetSelection string `json:"targetSelection"`
	Status          string `json:"status"`
	CreatedAt       int64  `json:"createdAt"`
	UpdatedAt       int64  `json:"lastUpdatedAt"`
	CompletedAt     int64  `json:"completedAt,omitempty"`
	Concurrent      bool   `json:"isConcurrent"`
}

// CancelJobRequest is the body of CancelJob; Force is of the query.
type CancelJobRequest struct {
	ReasonCode string `json:"reasonCode,omitempty"`
	Comment    string `json:"comment,omitempty"`
	Force      bool   `json:"-"`
}

// CancelExecutionRequest is the body of CancelJobExecution; Force is of the query.
type CancelExecutionRequest struct {
	ExpectedVersion *int64            `json:"expectedVersion,omitempty"`
	StatusDetails   map[string]string `json:"statusDetails,omitempty"`
	Force           bool              `json:"-"`
}

// AssociateTargetsRequest is the body of AssociateTargetsWithJob.
type AssociateTargetsRequest struct {
	Targets []string `json:"targets"`
	Comment string   `json:"comment,omitempty"`
}

// ExecutionResponse answers the control plane's DescribeJobExecution.
type ExecutionResponse struct {
	Execution Execution `json:"execution"`
}

// Execution is one execution as the control plane tells it. Times are seconds since 1970.
type Execution struct {
	JobID                 string  `json:"jobId"`
	Status                string  `json:"status"`
	ForceCanceled         bool    `json:"forceCanceled"`
	StatusDetails         Details `json:"statusDetails"`
	ThingARN              string  `json:"thingArn"`
	QueuedAt              int64   `json:"queuedAt"`
	StartedAt             int64   `json:"startedAt,omitempty"`
	UpdatedAt             int64   `json:"lastUpdatedAt"`
	ExecutionNumber       int64   `json:"executionNumber"`
	VersionNumber         int64   `json:"versionNumber"`
	SecondsBeforeTimedOut *int64  `json:"approximateSecondsBeforeTimedOut,omitempty"`
}

// Details wraps the status details of the control plane.
type Details struct {
	Map map[string]string `json:"detailsMap"`
}

// ListExecutionsRequest filters and pages. Max 0 means 250.
type ListExecutionsRequest struct {
	Status string
	JobID  string // ListJobExecutionsForThing only
	Max    int
	Token  string
}

// ExecutionSummary is an execution in a list.
type ExecutionSummary struct {
	Status          string `json:"status"`
	QueuedAt        int64  `json:"queuedAt"`
	StartedAt       int64  `json:"startedAt,omitempty"`
	UpdatedAt       int64  `json:"lastUpdatedAt"`
	ExecutionNumber int64  `json:"executionNumber"`
	RetryAttempt    int64  `json:"retryAttempt"`
}

// SummaryForJob is one of ListJobExecutionsForJob.
type SummaryForJob struct {
	ThingARN string           `json:"thingArn"`
	Summary  ExecutionSummary `json:"jobExecutionSummary"`
}

// SummaryForThing is one of ListJobExecutionsForThing.
type SummaryForThing struct {
	JobID   string           `json:"jobId"`
	Summary ExecutionSummary `json:"jobExecutionSummary"`
}

// ExecutionsForJob answers ListJobExecutionsForJob.
type ExecutionsForJob struct {
	Summaries []SummaryForJob `json:"executionSummaries"`
	NextToken string          `json:"nextToken,omitempty"`
}

// ExecutionsForThing answers ListJobExecutionsForThing.
type ExecutionsForThing struct {
	Summaries []SummaryForThing `json:"executionSummaries"`
	NextToken string            `json:"nextToken,omitempty"`
}

// Aliases of what the data plane takes and answers: the same messages as over MQTT, but over HTTPS JobExecution.Document
// and UpdatedJob.Document are JSON strings.
type (
	StartNextRequest = wire.StartNextJob
	DescribeRequest  = wire.DescribeJob
	UpdateRequest    = wire.UpdateJob
)
