package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Job is a job as it is kept. Times are milliseconds since 1970; 0 means never.
type Job struct {
	ID        string
	N         int64 // order of creation, given by the store
	Status    string
	Selection string
	Created   int64
	Updated   int64
	Completed int64
	Due       int64 // when the clock has something to do
	Version   int64 // of the row; UpdateJob counts it up
	Body      []byte
}

// JobExecution is one thing's run of a job.
type JobExecution struct {
	Job, Thing string
	Number     int64
	JobN       int64 // Job.N: orders what was queued at the same time
	Latest     bool  // has the highest number of (job, thing)
	Status     string
	Version    int64 // as the unit sees it: 1, then one more for each change
	Attempt    int64 // retries so far
	Forced     bool  // canceled though it was in progress
	Queued     int64
	Started    int64
	Updated    int64
	Deadline   int64 // of the in-progress timer
	Step       int64 // of the step timer
	Details    map[string]string
}

// Due is when a timer of the execution ends; 0 means never.
func (e *JobExecution) Due() int64 {
	if e.Step == 0 || e.Deadline != 0 && e.Deadline < e.Step {
		return e.Deadline
	}
	return e.Step
}

// Jobs keeps jobs and their executions. All of a request happens in one transaction.
type Jobs interface {
	// ChangeJobs runs f in one transaction, which an error of f undoes. f may be run again when another process was
	// faster (ErrVersion), so it must have no other effects.
	ChangeJobs(ctx context.Context, f func(tx *JobsTx) error) error
	// ReadJobs runs f on one view.
	ReadJobs(ctx context.Context, f func(tx *JobsTx) error) error
}

// ChangeJobs implements Jobs.
func (s *db) ChangeJobs(ctx context.Context, f func(tx *JobsTx) error) error {
	return s.write(ctx, "change jobs", func(c conn) error {
		if err := c.lock(ctx, s.d.jobs); err != nil {
			return err
		}
		return f(&JobsTx{c})
	})
}

// ReadJobs implements Jobs.
func (s *db) ReadJobs(ctx context.Context, f func(tx *JobsTx) error) error {
	return s.read(ctx, "read jobs", func(c conn) error { return f(&JobsTx{c}) })
}

// JobsTx is one transaction of Jobs.
type JobsTx struct{ c conn }

const jobColumns = `id, n, status, selection, created, updated, completed, due, version, body`

func scanJob(row scanner) (j Job, err error) {
	var body string
	err = row.Scan(&j.ID, &j.N, &j.Status, &j.Selection, &j.Created, &j.Updated, &j.Completed, &j.Due, &j.Version, &body)
	j.Body = []byte(body)
	return j, notFound(err)
}

// CreateJob adds a job and sets its N and Version; ErrExists when there is one of that id.
func (t *JobsTx) CreateJob(ctx context.Context, j *Job) error {
	var n int64
	if err := t.c.queryRow(ctx, `SELECT coalesce(max(n), 0) + 1 FROM jobs`).Scan(&n); err != nil {
		return err
	}
	if err := made(t.c.exec(ctx, `INSERT INTO jobs(`+jobColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING`,
		j.ID, n, j.Status, j.Selection, j.Created, j.Updated, j.Completed, j.Due, 1, string(j.Body))); err != nil {
		return err
	}
	j.N, j.Version = n, 1
	return nil
}

// Job returns a job.
func (t *JobsTx) Job(ctx context.Context, id string) (Job, error) {
	return scanJob(t.c.queryRow(ctx, `SELECT `+jobColumns+` FROM jobs WHERE id = ?`, id))
}

// UpdateJob stores a job that was read before; ErrVersion when it changed since.
func (t *JobsTx) UpdateJob(ctx context.Context, j *Job) error {
	res, err := t.c.exec(ctx, `UPDATE jobs SET status = ?, updated = ?, completed = ?, due = ?, version = version + 1, body = ? WHERE id = ? AND version = ?`,
		j.Status, j.Updated, j.Completed, j.Due, string(j.Body), j.ID, j.Version)
	if err := asVersion(touched(res, err)); err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	j.Version++
	return nil
}

func asVersion(err error) error {
	if errors.Is(err, ErrNotFound) {
		return ErrVersion
	}
	return err
}

// DeleteJob removes a job that has no executions any more, and who waits for it.
func (t *JobsTx) DeleteJob(ctx context.Context, id string) error {
	if _, err := t.c.exec(ctx, `DELETE FROM job_waiting WHERE job = ?`, id); err != nil {
		return err
	}
	return touched(t.c.exec(ctx, `DELETE FROM jobs WHERE id = ?`, id))
}

// ListJobs lists jobs of a status and selection (empty: any) older than before (0: any), newest first, at most limit.
func (t *JobsTx) ListJobs(ctx context.Context, status, selection string, before int64, limit int) ([]Job, error) {
	rows, err := t.c.query(ctx, `SELECT `+jobColumns+` FROM jobs WHERE (? = '' OR status = ?) AND (? = '' OR selection = ?) AND (? = 0 OR n < ?)
		ORDER BY n DESC LIMIT ?`, status, status, selection, selection, before, before, limit)
	return collect(rows, err, scanJob)
}

// AddWaiting notes things that are to be told of a job.
func (t *JobsTx) AddWaiting(ctx context.Context, job string, things []string) error {
	for _, thing := range things {
		if _, err := t.c.exec(ctx, `INSERT INTO job_waiting(job, thing) VALUES (?,?) ON CONFLICT(job, thing) DO NOTHING`, job, thing); err != nil {
			return err
		}
	}
	return nil
}

// Waiting lists things in order of name that are to be told of a job, at most limit.
func (t *JobsTx) Waiting(ctx context.Context, job string, limit int) ([]string, error) {
	rows, err := t.c.query(ctx, `SELECT thing FROM job_waiting WHERE job = ? ORDER BY thing LIMIT ?`, job, limit)
	return collect(rows, err, scanText)
}

// DropWaiting forgets that things are to be told of a job.
func (t *JobsTx) DropWaiting(ctx context.Context, job string, things []string) error {
	for _, thing := range things {
		if _, err := t.c.exec(ctx, `DELETE FROM job_waiting WHERE job = ? AND thing = ?`, job, thing); err != nil {
			return err
		}
	}
	return nil
}

// ClearWaiting forgets all who wait for a job.
func (t *JobsTx) ClearWaiting(ctx context.Context, job string) error {
	_, err := t.c.exec(ctx, `DELETE FROM job_waiting WHERE job = ?`, job)
	return err
}

// DueJobs lists the ids of jobs whose time has come.
func (t *JobsTx) DueJobs(ctx context.Context, now int64, limit int) ([]string, error) {
	rows, err := t.c.query(ctx, `SELECT id FROM jobs WHERE due > 0 AND due <= ? ORDER BY due, n LIMIT ?`, now, limit)
	return collect(rows, err, scanText)
}

// NextDue is when the next job or execution is due; 0 when none is.
func (t *JobsTx) NextDue(ctx context.Context) (at int64, err error) {
	for _, table := range []string{"jobs", "job_executions"} {
		var due int64
		if err := t.c.queryRow(ctx, `SELECT coalesce(min(due), 0) FROM `+table+` WHERE due > 0`).Scan(&due); err != nil {
			return 0, err
		}
		if due > 0 && (at == 0 || due < at) {
			at = due
		}
	}
	return at, nil
}

func encodeDetails(d map[string]string) string {
	if len(d) == 0 {
		return "{}"
	}
	b, err := json.Marshal(d)
	if err != nil {
		panic(err) // impossible: strings only
	}
	return string(b)
}
