package control

import (
	"strconv"

	"fountain/cloud/awsiot/jobs"
)

func (c *Control) createJob(r *request) (any, error) {
	var in jobs.CreateJobRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	in.JobID = r.PathValue("jobId")
	if err := c.fromTemplate(r, &in); err != nil {
		return nil, err
	}
	return c.cfg.Jobs.CreateJob(r.Context(), in)
}

func (c *Control) describeJob(r *request) (any, error) {
	return c.cfg.Jobs.DescribeJob(r.Context(), r.PathValue("jobId"))
}

func (c *Control) updateJob(r *request) (any, error) {
	var in jobs.Settings
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return nil, c.cfg.Jobs.UpdateJob(r.Context(), r.PathValue("jobId"), in)
}

func (c *Control) deleteJob(r *request) (any, error) {
	force, err := r.flag("force")
	if err != nil {
		return nil, err
	}
	return nil, c.cfg.Jobs.DeleteJob(r.Context(), r.PathValue("jobId"), force)
}

func (c *Control) cancelJob(r *request) (any, error) {
	var in jobs.CancelJobRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	var err error
	if in.Force, err = r.flag("force"); err != nil {
		return nil, err
	}
	return c.cfg.Jobs.CancelJob(r.Context(), r.PathValue("jobId"), in)
}

// jobPage reads how many a page of the job lists holds; 0 when nothing is asked for.
func (r *request) jobPage() (int, error) {
	n, err := r.number("maxResults", 0, 1, 250)
	return int(n), err
}

func (c *Control) listJobs(r *request) (any, error) {
	n, err := r.jobPage()
	if err != nil {
		return nil, err
	}
	if group := r.query("thingGroupName"); group != "" {
		if _, _, err := c.group(r.Context(), group); err != nil {
			return nil, err
		}
	}
	return c.cfg.Jobs.ListJobs(r.Context(), jobs.ListJobsRequest{
		Status: r.query("status"), TargetSelection: r.query("targetSelection"), GroupName: r.query("thingGroupName"),
		GroupID: r.query("thingGroupId"), Max: n, Token: r.query("nextToken"),
	})
}

func (c *Control) getJobDocument(r *request) (any, error) {
	doc, err := c.cfg.Jobs.GetJobDocument(r.Context(), r.PathValue("jobId"))
	if err != nil {
		return nil, err
	}
	return obj{"document": doc}, nil
}

func (c *Control) associateTargets(r *request) (any, error) {
	var in jobs.AssociateTargetsRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	return c.cfg.Jobs.AssociateTargetsWithJob(r.Context(), r.PathValue("jobId"), in)
}

func (r *request) executions() (jobs.ListExecutionsRequest, error) {
	n, err := r.jobPage()
	return jobs.ListExecutionsRequest{Status: r.query("status"), JobID: r.query("jobId"), Max: n, Token: r.query("nextToken")}, err
}

func (c *Control) listExecutionsForJob(r *request) (any, error) {
	in, err := r.executions()
	if err != nil {
		return nil, err
	}
	return c.cfg.Jobs.ListJobExecutionsForJob(r.Context(), r.PathValue("jobId"), in)
}

func (c *Control) listExecutionsForThing(r *request) (any, error) {
	in, err := r.executions()
	if err != nil {
		return nil, err
	}
	return c.cfg.Jobs.ListJobExecutionsForThing(r.Context(), r.PathValue("thingName"), in)
}

func (c *Control) describeExecution(r *request) (any, error) {
	n, err := r.number("executionNumber", 0, 0, 1<<62)
	if err != nil {
		return nil, err
	}
	return c.cfg.Jobs.DescribeJobExecution(r.Context(), r.PathValue("thingName"), r.PathValue("jobId"), n)
}

func (c *Control) cancelExecution(r *request) (any, error) {
	var in jobs.CancelExecutionRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	var err error
	if in.Force, err = r.flag("force"); err != nil {
		return nil, err
	}
	return nil, c.cfg.Jobs.CancelJobExecution(r.Context(), r.PathValue("thingName"), r.PathValue("jobId"), in)
}

func (c *Control) deleteExecution(r *request) (any, error) {
	force, err := r.flag("force")
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseInt(r.PathValue("executionNumber"), 10, 64)
	if err != nil {
		return nil, invalid("executionNumber %q is no number", r.PathValue("executionNumber"))
	}
	return nil, c.cfg.Jobs.DeleteJobExecution(r.Context(), r.PathValue("thingName"), r.PathValue("jobId"), n, force)
}
