package store

import (
	"context"
	"encoding/json"
	"fmt"
)

const executionColumns = `job, thing, number, job_n, latest, status, version, attempt, forced, queued, started, updated, deadline, step, details`

func scanExecution(row scanner) (e JobExecution, err error) {
	var details string
	if err := row.Scan(&e.Job, &e.Thing, &e.Number, &e.JobN, &e.Latest, &e.Status, &e.Version, &e.Attempt, &e.Forced,
		&e.Queued, &e.Started, &e.Updated, &e.Deadline, &e.Step, &details); err != nil {
		return e, notFound(err)
	}
	if err := json.Unmarshal([]byte(details), &e.Details); err != nil {
		return e, fmt.Errorf("details of %s on %s: %w", e.Job, e.Thing, err)
	}
	return e, nil
}

// AddExecution adds the next execution of (job, thing) and sets its Number, Version and Latest.
func (t *JobsTx) AddExecution(ctx context.Context, e *JobExecution) error {
	if err := t.c.queryRow(ctx, `SELECT coalesce(max(number), 0) + 1 FROM job_executions WHERE job = ? AND thing = ?`, e.Job, e.Thing).Scan(&e.Number); err != nil {
		return err
	}
	if e.Number > 1 {
		if _, err := t.c.exec(ctx, `UPDATE job_executions SET latest = 0 WHERE job = ? AND thing = ? AND latest = 1`, e.Job, e.Thing); err != nil {
			return err
		}
	}
	e.Version, e.Latest = 1, true
	_, err := t.c.exec(ctx, `INSERT INTO job_executions(`+executionColumns+`, due) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		e.Job, e.Thing, e.Number, e.JobN, flag(e.Latest), e.Status, e.Version, e.Attempt, flag(e.Forced),
		e.Queued, e.Started, e.Updated, e.Deadline, e.Step, encodeDetails(e.Details), e.Due())
	return err
}

// UpdateExecution stores an execution that was read before and counts its Version up; ErrVersion when it changed since.
func (t *JobsTx) UpdateExecution(ctx context.Context, e *JobExecution) error {
	res, err := t.c.exec(ctx, `UPDATE job_executions SET status = ?, version = version + 1, forced = ?, started = ?, updated = ?,
		deadline = ?, step = ?, due = ?, details = ? WHERE job = ? AND thing = ? AND number = ? AND version = ?`,
		e.Status, flag(e.Forced), e.Started, e.Updated, e.Deadline, e.Step, e.Due(), encodeDetails(e.Details), e.Job, e.Thing, e.Number, e.Version)
	if err := asVersion(touched(res, err)); err != nil {
		return fmt.Errorf("execution %d of %s on %s: %w", e.Number, e.Job, e.Thing, err)
	}
	e.Version++
	return nil
}

// Execution returns an execution; number 0 means the latest.
func (t *JobsTx) Execution(ctx context.Context, job, thing string, number int64) (JobExecution, error) {
	return scanExecution(t.c.queryRow(ctx, `SELECT `+executionColumns+` FROM job_executions WHERE job = ? AND thing = ? AND (number = ? OR ? = 0 AND latest = 1)`,
		job, thing, number, number))
}

// DeleteExecution removes an execution; the one before it becomes the latest.
func (t *JobsTx) DeleteExecution(ctx context.Context, e *JobExecution) error {
	if err := touched(t.c.exec(ctx, `DELETE FROM job_executions WHERE job = ? AND thing = ? AND number = ?`, e.Job, e.Thing, e.Number)); err != nil {
		return err
	}
	_, err := t.c.exec(ctx, `UPDATE job_executions SET latest = 1 WHERE job = ? AND thing = ? AND latest = 0
		AND number = (SELECT max(number) FROM job_executions WHERE job = ? AND thing = ?)`, e.Job, e.Thing, e.Job, e.Thing)
	return err
}

// Pending lists what a thing has to do, in order: in progress before queued, then as they were queued; at most limit.
func (t *JobsTx) Pending(ctx context.Context, thing string, limit int) ([]JobExecution, error) {
	rows, err := t.c.query(ctx, `SELECT `+executionColumns+` FROM job_executions WHERE thing = ? AND status IN ('IN_PROGRESS', 'QUEUED')
		ORDER BY status, queued, job_n LIMIT ?`, thing, limit)
	return collect(rows, err, scanExecution)
}

// Unfinished lists executions of a job in one of the states queued and, if so asked, in progress; at most limit.
func (t *JobsTx) Unfinished(ctx context.Context, job string, inProgress bool, limit int) ([]JobExecution, error) {
	also := "QUEUED"
	if inProgress {
		also = "IN_PROGRESS"
	}
	rows, err := t.c.query(ctx, `SELECT `+executionColumns+` FROM job_executions WHERE job = ? AND status IN ('QUEUED', ?) ORDER BY thing, number LIMIT ?`, job, also, limit)
	return collect(rows, err, scanExecution)
}

// ExecutionsOfJob lists executions of a status (empty: any) after (thing, number), in that order, at most limit.
func (t *JobsTx) ExecutionsOfJob(ctx context.Context, job, status, thing string, number int64, limit int) ([]JobExecution, error) {
	rows, err := t.c.query(ctx, `SELECT `+executionColumns+` FROM job_executions WHERE job = ? AND (? = '' OR status = ?)
		AND (thing > ? OR thing = ? AND number > ?) ORDER BY thing, number LIMIT ?`, job, status, status, thing, thing, number, limit)
	return collect(rows, err, scanExecution)
}

// ExecutionsOfThing lists executions of a job and status (empty: any) newest first, leaving out the first skip.
func (t *JobsTx) ExecutionsOfThing(ctx context.Context, thing, job, status string, skip, limit int) ([]JobExecution, error) {
	rows, err := t.c.query(ctx, `SELECT `+executionColumns+` FROM job_executions WHERE thing = ? AND (? = '' OR job = ?) AND (? = '' OR status = ?)
		ORDER BY queued DESC, job_n DESC, number DESC LIMIT ? OFFSET ?`, thing, job, job, status, status, limit, skip)
	return collect(rows, err, scanExecution)
}

// CountExecutions counts the latest executions of a job by status.
func (t *JobsTx) CountExecutions(ctx context.Context, job string) (map[string]int64, error) {
	rows, err := t.c.query(ctx, `SELECT status, count(*) FROM job_executions WHERE job = ? AND latest = 1 GROUP BY status`, job)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var status string
		var n int64
		if err := rows.Scan(&status, &n); err != nil {
			return nil, err
		}
		out[status] = n
	}
	return out, rows.Err()
}

// Told lists the things that have an execution of a job, other than one that was removed.
func (t *JobsTx) Told(ctx context.Context, job string) (map[string]bool, error) {
	rows, err := t.c.query(ctx, `SELECT thing FROM job_executions WHERE job = ? AND latest = 1 AND status <> 'REMOVED'`, job)
	things, err := collect(rows, err, scanText)
	if err != nil {
		return nil, err
	}
	told := make(map[string]bool, len(things))
	for _, thing := range things {
		told[thing] = true
	}
	return told, nil
}

// DueExecutions lists executions in progress whose timer has ended.
func (t *JobsTx) DueExecutions(ctx context.Context, now int64, limit int) ([]JobExecution, error) {
	rows, err := t.c.query(ctx, `SELECT `+executionColumns+` FROM job_executions WHERE due > 0 AND due <= ? ORDER BY due, job_n, thing LIMIT ?`, now, limit)
	return collect(rows, err, scanExecution)
}
