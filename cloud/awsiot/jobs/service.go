package jobs

import (
	"context"
	"errors"
	"log/slog"

	"fountain/cloud/awsiot/broker"
	"fountain/sync/wire"
)

// Config of a Service.
type Config struct {
	ARN   string // "arn:aws:iot:REGION:ACCOUNT:"
	Fleet Fleet
	// Presign makes the URLs of placeholders. Nil leaves them as they are.
	Presign Presigner
	// Source reads the document of a job made with documentSource. Nil refuses such jobs.
	Source func(ctx context.Context, bucket, key string) ([]byte, error)
	// Publish tells subscribers.
	Publish func(topic string, payload []byte)
	Log     *slog.Logger
}

// Service answers job requests. Make it with New; it is safe for concurrent use. Run drives what the clock does.
type Service struct{ cfg Config }

var errNotYet = errors.New("not built yet")

// New makes a Service.
func New(cfg Config) (*Service, error) { return &Service{cfg: cfg}, nil }

// Run rolls jobs out, times executions out and follows schedules until ctx ends.
func (s *Service) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// Serve implements broker.Service.
func (s *Service) Serve(ctx context.Context, r broker.Request) bool { return false }

// FleetChanged is told when things joined or left a group or were deleted: continuous jobs follow.
func (s *Service) FleetChanged(ctx context.Context) error { return nil }

// CreateJob makes a job and begins to roll it out. Every error of the methods below that is meant for the caller is an *Error.
func (s *Service) CreateJob(ctx context.Context, r CreateJobRequest) (*JobRef, error) {
	return nil, errNotYet
}

// DescribeJob tells a job.
func (s *Service) DescribeJob(ctx context.Context, id string) (*DescribeJobResponse, error) {
	return nil, errNotYet
}

// ListJobs lists jobs.
func (s *Service) ListJobs(ctx context.Context, r ListJobsRequest) (*ListJobsResponse, error) {
	return nil, errNotYet
}

// UpdateJob changes what is given; a nil member stays.
func (s *Service) UpdateJob(ctx context.Context, id string, r Settings) error { return errNotYet }

// CancelJob cancels a job: its queued executions, and with Force those in progress.
func (s *Service) CancelJob(ctx context.Context, id string, r CancelJobRequest) (*JobRef, error) {
	return nil, errNotYet
}

// DeleteJob deletes a job and its executions; with force while it is in progress too.
func (s *Service) DeleteJob(ctx context.Context, id string, force bool) error { return errNotYet }

// GetJobDocument returns the document with its placeholders.
func (s *Service) GetJobDocument(ctx context.Context, id string) (string, error) {
	return "", errNotYet
}

// DescribeJobExecution is the control plane's; number 0 means the latest.
func (s *Service) DescribeJobExecution(ctx context.Context, thing, id string, number int64) (*ExecutionResponse, error) {
	return nil, errNotYet
}

// ListJobExecutionsForJob lists executions by thing.
func (s *Service) ListJobExecutionsForJob(ctx context.Context, id string, r ListExecutionsRequest) (*ExecutionsForJob, error) {
	return nil, errNotYet
}

// ListJobExecutionsForThing lists executions, newest first.
func (s *Service) ListJobExecutionsForThing(ctx context.Context, thing string, r ListExecutionsRequest) (*ExecutionsForThing, error) {
	return nil, errNotYet
}

// CancelJobExecution cancels one thing's execution.
func (s *Service) CancelJobExecution(ctx context.Context, thing, id string, r CancelExecutionRequest) error {
	return errNotYet
}

// DeleteJobExecution deletes one execution.
func (s *Service) DeleteJobExecution(ctx context.Context, thing, id string, number int64, force bool) error {
	return errNotYet
}

// AssociateTargetsWithJob adds groups to a continuous job.
func (s *Service) AssociateTargetsWithJob(ctx context.Context, id string, r AssociateTargetsRequest) (*JobRef, error) {
	return nil, errNotYet
}

// Data is the device's side over HTTPS (iot-jobs-data): the same engine as over MQTT.
type Data struct{ s *Service }

// Data returns the device's side over HTTPS.
func (s *Service) Data() Data { return Data{s} }

// GetPendingJobExecutions lists what a thing has to do.
func (d Data) GetPendingJobExecutions(ctx context.Context, thing string) (*wire.PendingJobs, error) {
	return nil, errNotYet
}

// StartNextPendingJobExecution begins the next execution.
func (d Data) StartNextPendingJobExecution(ctx context.Context, thing string, r StartNextRequest) (*wire.JobAnswer, error) {
	return nil, errNotYet
}

// DescribeJobExecution tells one execution; id may be "$next".
func (d Data) DescribeJobExecution(ctx context.Context, thing, id string, r DescribeRequest) (*wire.JobAnswer, error) {
	return nil, errNotYet
}

// UpdateJobExecution reports on an execution.
func (d Data) UpdateJobExecution(ctx context.Context, thing, id string, r UpdateRequest) (*wire.UpdatedJob, error) {
	return nil, errNotYet
}
