package control

import (
	"fountain/cloud/awsiot/jobs"
	"fountain/cloud/awsiot/policy"
)

func (c *Control) jobsThing(r *request, act policy.Action) (string, error) {
	thing := r.PathValue("thingName")
	return thing, r.may(act, thing)
}

func (c *Control) getPendingJobs(r *request) (any, error) {
	thing, err := c.jobsThing(r, policy.GetPendingJobs)
	if err != nil {
		return nil, err
	}
	return c.cfg.Jobs.Data().GetPendingJobExecutions(r.Context(), thing)
}

func (c *Control) startNextJob(r *request) (any, error) {
	thing, err := c.jobsThing(r, policy.StartNextJob)
	if err != nil {
		return nil, err
	}
	var in jobs.StartNextRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return c.cfg.Jobs.Data().StartNextPendingJobExecution(r.Context(), thing, in)
}

func (c *Control) describeJobData(r *request) (any, error) {
	thing, err := c.jobsThing(r, policy.DescribeJob)
	if err != nil {
		return nil, err
	}
	var in jobs.DescribeRequest
	n, err := r.number("executionNumber", 0, 0, 1<<62)
	if err != nil {
		return nil, err
	}
	if n != 0 {
		in.ExecutionNumber = &n
	}
	if r.query("includeJobDocument") != "" {
		with, err := r.flag("includeJobDocument")
		if err != nil {
			return nil, err
		}
		in.IncludeDocument = &with
	}
	return c.cfg.Jobs.Data().DescribeJobExecution(r.Context(), thing, r.PathValue("jobId"), in)
}

func (c *Control) updateJobData(r *request) (any, error) {
	thing, err := c.jobsThing(r, policy.UpdateJob)
	if err != nil {
		return nil, err
	}
	var in jobs.UpdateRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return c.cfg.Jobs.Data().UpdateJobExecution(r.Context(), thing, r.PathValue("jobId"), in)
}
