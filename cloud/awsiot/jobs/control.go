package jobs

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"fountain/cloud/store"
)

func (s *Service) jobARN(id string) string     { return s.cfg.ARN + "job/" + id }
func (s *Service) thingARN(name string) string { return s.cfg.ARN + "thing/" + name }

func (s *Service) ref(j *job) *JobRef {
	return &JobRef{ARN: s.jobARN(j.row.ID), JobID: j.row.ID, Description: j.rec.Description}
}

// CreateJob makes a job and begins to roll it out. Every error of the methods of this file that is meant for the caller is
// an *Error.
func (s *Service) CreateJob(ctx context.Context, r CreateJobRequest) (*JobRef, error) {
	now := time.Now()
	if r.TargetSelection == "" {
		r.TargetSelection = Snapshot
	}
	if err := checkID(r.JobID); err != nil {
		return nil, err
	}
	c := checker{}
	c.oneOf(r.TargetSelection, "targetSelection", Snapshot, Continuous)
	c.settings(&r.Settings)
	c.scheduling(r.Scheduling, now)
	if len(r.Tags) > maxTags {
		c.fault(len(r.Tags), "tags", "Member must have length less than or equal to %d", maxTags)
	}
	if len(r.DocumentSource) > maxSource {
		c.fault(short(r.DocumentSource), "documentSource", "Member must have length less than or equal to %d", maxSource)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := s.checkTargets(ctx, r.Targets, false); err != nil {
		return nil, err
	}
	if err := s.loadDocument(ctx, &r); err != nil {
		return nil, err
	}
	if err := checkDocument(r.Document, r.Presigned); err != nil {
		return nil, err
	}
	j := &job{row: store.Job{
		ID: r.JobID, Status: InProgress, Selection: r.TargetSelection, Created: now.UnixMilli(), Updated: now.UnixMilli(), Due: now.UnixMilli(),
	}, rec: record{CreateJobRequest: r}}
	if _, err := s.document(j, "thing", 1); err != nil { // better here than at every unit
		return nil, invalid("The job document holds a placeholder that no URL can be made for: %v", err)
	}
	if plan, err := parseSchedule(r.Scheduling); err != nil {
		return nil, err
	} else if open, _ := plan.open(now); !open {
		j.row.Status = Scheduled
	}
	var err error
	if j.row.Body, err = encode(j.rec); err != nil {
		return nil, err
	}
	if _, err := s.change(ctx, func(t *txn) error { return t.CreateJob(ctx, &j.row) }); err != nil {
		if errors.Is(err, store.ErrExists) {
			return nil, &Error{
				Code: "ResourceAlreadyExistsException", Status: 409, Message: "Job " + r.JobID + " already exists",
				ResourceID: r.JobID, ResourceARN: s.jobARN(r.JobID),
			}
		}
		return nil, err
	}
	return s.ref(j), s.advanceAll(ctx, r.JobID)
}

// loadDocument finds the document of a new job.
func (s *Service) loadDocument(ctx context.Context, r *CreateJobRequest) error {
	switch {
	case r.TemplateARN != "" && r.Document == "" && r.DocumentSource == "":
		return missing("The job template '%s' does not exist", r.TemplateARN)
	case len(r.Parameters) > 0:
		return invalid("documentParameters need a managed job template")
	case r.Document != "" && r.DocumentSource != "":
		return invalid("Only one of document and documentSource may be given")
	case r.Document != "":
		return nil
	case r.DocumentSource == "":
		return invalid("One of document and documentSource must be given")
	}
	bucket, key, err := parseS3(r.DocumentSource, false)
	if err != nil {
		return invalid("documentSource '%s': %v", r.DocumentSource, err)
	}
	if s.cfg.Source == nil {
		return invalid("documentSource '%s': there is no object store here", r.DocumentSource)
	}
	b, err := s.cfg.Source(ctx, bucket, key)
	if errors.Is(err, fs.ErrNotExist) {
		return invalid("documentSource '%s': there is no such object", r.DocumentSource)
	}
	r.Document = string(b)
	return err
}

// read runs f on a job that is there.
func (s *Service) read(ctx context.Context, id string, f func(tx *store.JobsTx, j *job) error) error {
	if err := checkID(id); err != nil {
		return err
	}
	return s.cfg.Store.ReadJobs(ctx, func(tx *store.JobsTx) error {
		row, err := tx.Job(ctx, id)
		if err != nil {
			return noJob(err, id)
		}
		j, err := decodeJob(row)
		if err != nil {
			return err
		}
		return f(tx, j)
	})
}

func noJob(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return missing("Job %s cannot be found", id)
	}
	return err
}

// alter runs f on a job that is there, in a transaction, and then does what the job has to do.
func (s *Service) alter(ctx context.Context, id string, f func(t *txn, j *job) error) (*JobRef, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	var ref *JobRef
	t, err := s.change(ctx, func(t *txn) error {
		j, err := t.job(ctx, id)
		if err != nil {
			return noJob(err, id)
		}
		if err := f(t, j); err != nil {
			return err
		}
		ref = s.ref(j)
		return nil
	})
	if err != nil {
		return nil, unwrap(err)
	}
	s.tell(ctx, t, "")
	return ref, s.advanceAll(ctx, id)
}

// unwrap returns the bare *Error inside an error, if there is one.
func unwrap(err error) error {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal
	}
	return err
}

// DescribeJob tells a job.
func (s *Service) DescribeJob(ctx context.Context, id string) (*DescribeJobResponse, error) {
	out := &DescribeJobResponse{}
	err := s.read(ctx, id, func(tx *store.JobsTx, j *job) error {
		counts, err := tx.CountExecutions(ctx, id)
		if err != nil {
			return err
		}
		waiting, err := tx.Waiting(ctx, id, 1)
		if err != nil {
			return err
		}
		out.DocumentSource = j.rec.DocumentSource
		out.Job = s.describeJob(j, counts, len(waiting) > 0, time.Now())
		return nil
	})
	return out, unwrap(err)
}

func (s *Service) describeJob(j *job, counts map[string]int64, waiting bool, now time.Time) Job {
	d := Job{
		ARN: s.jobARN(j.row.ID), JobID: j.row.ID, TargetSelection: j.row.Selection, Status: j.row.Status, ForceCanceled: j.rec.Forced,
		ReasonCode: j.rec.ReasonCode, Comment: j.rec.Comment, Targets: j.rec.Targets, Settings: j.rec.Settings,
		CreatedAt: seconds(j.row.Created), UpdatedAt: seconds(j.row.Updated), CompletedAt: seconds(j.row.Completed),
		Details: processDetails(counts), Namespace: j.rec.Namespace, TemplateARN: j.rec.TemplateARN, Parameters: j.rec.Parameters,
		Concurrent: j.concurrent(waiting), Scheduling: j.rec.Scheduling, Packages: j.rec.Packages,
	}
	if d.Presigned == nil {
		d.Presigned = &PresignedURL{}
	}
	if d.Rollout == nil {
		d.Rollout = &RolloutConfig{}
	}
	if d.Timeout == nil {
		d.Timeout = &TimeoutConfig{}
	}
	if waiting && j.active() {
		d.Details.ProcessingTargets = j.rec.Targets
	}
	if plan, err := parseSchedule(j.rec.Scheduling); err == nil && j.active() {
		const shown = 7
		for _, at := range plan.starts(now, shown) {
			d.Rollouts = append(d.Rollouts, ScheduledStart{at.Format("2006-01-02T15:04Z")})
		}
	}
	return d
}

// concurrent says whether a job is making new executions or canceling old ones.
func (j *job) concurrent(waiting bool) bool {
	return waiting && j.row.Status == InProgress || j.rec.Progress.Cancel != ""
}

// UpdateJob changes what is given; a nil member stays.
func (s *Service) UpdateJob(ctx context.Context, id string, r Settings) error {
	c := checker{}
	c.settings(&r)
	if err := c.err(); err != nil {
		return err
	}
	_, err := s.alter(ctx, id, func(t *txn, j *job) error {
		if !j.active() {
			return invalid("Job %s is in status %s and cannot be updated", id, j.row.Status)
		}
		set := &j.rec.Settings
		if r.Description != "" {
			set.Description = r.Description
		}
		if r.Presigned != nil {
			set.Presigned = r.Presigned
		}
		if r.Rollout != nil {
			set.Rollout, j.rec.Progress.Rate = r.Rollout, 0
		}
		if r.Abort != nil {
			set.Abort = r.Abort
		}
		if r.Timeout != nil {
			set.Timeout = r.Timeout
		}
		if r.Retry != nil {
			set.Retry = r.Retry
		}
		t.settle[id] = true
		return t.save(ctx, j)
	})
	return err
}

// CancelJob cancels a job: its queued executions, and with Force those in progress.
func (s *Service) CancelJob(ctx context.Context, id string, r CancelJobRequest) (*JobRef, error) {
	c := checker{}
	c.text(r.Comment, "comment", maxComment)
	if len(r.ReasonCode) > maxReasonCode || strings.Trim(r.ReasonCode, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		c.fault(r.ReasonCode, "reasonCode", `Member must satisfy regular expression pattern: [\p{Upper}\p{Digit}_]+ and have length up to %d`, maxReasonCode)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return s.alter(ctx, id, func(t *txn, j *job) error {
		again := j.row.Status == Canceled && r.Force && !j.rec.Forced // what is in progress too, now
		if !j.active() && !again {
			return invalid("Job %s is in status %s and cannot be canceled", id, j.row.Status)
		}
		which := cancelQueued
		if r.Force {
			which = cancelAll
		}
		j.rec.ReasonCode, j.rec.Comment = r.ReasonCode, r.Comment
		j.cancel(t, which)
		return t.save(ctx, j)
	})
}

// DeleteJob deletes a job and its executions; with force while it is in progress too.
func (s *Service) DeleteJob(ctx context.Context, id string, force bool) error {
	_, err := s.alter(ctx, id, func(t *txn, j *job) error {
		switch {
		case j.row.Status == Deletion:
			return noTransition("Job %s is being deleted", id)
		case j.active() && !force:
			return noTransition("Job %s is in status %s: cancel it first, or force its deletion", id, j.row.Status)
		}
		j.row.Status, j.row.Due = Deletion, t.now.UnixMilli()
		t.noteJob(j, Deletion)
		return t.save(ctx, j)
	})
	return err
}

// GetJobDocument returns the document with its placeholders.
func (s *Service) GetJobDocument(ctx context.Context, id string) (doc string, err error) {
	err = s.read(ctx, id, func(_ *store.JobsTx, j *job) error {
		doc = j.rec.Document
		return nil
	})
	return doc, unwrap(err)
}

// AssociateTargetsWithJob adds groups to a continuous job.
func (s *Service) AssociateTargetsWithJob(ctx context.Context, id string, r AssociateTargetsRequest) (*JobRef, error) {
	c := checker{}
	c.text(r.Comment, "comment", maxComment)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := s.checkTargets(ctx, r.Targets, true); err != nil {
		return nil, err
	}
	ref, err := s.alter(ctx, id, func(t *txn, j *job) error {
		if j.row.Selection != Continuous || j.row.Status != InProgress {
			return invalid("Job %s is %s and %s: only a CONTINUOUS job that is IN_PROGRESS takes more targets", id, j.row.Selection, j.row.Status)
		}
		have := map[string]bool{}
		for _, arn := range j.rec.Targets {
			have[arn] = true
		}
		for _, arn := range r.Targets {
			if !have[arn] {
				have[arn], j.rec.Targets = true, append(j.rec.Targets, arn)
			}
		}
		if len(j.rec.Targets) > maxTargets {
			return tooMany("Job %s would have %d targets, at most %d are allowed", id, len(j.rec.Targets), maxTargets)
		}
		if r.Comment != "" {
			j.rec.Comment = r.Comment
		}
		j.row.Due = t.now.UnixMilli()
		if err := t.save(ctx, j); err != nil {
			return err
		}
		return s.follow(ctx, t, id)
	})
	return ref, err
}
