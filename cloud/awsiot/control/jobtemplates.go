package control

import (
	"errors"
	"strings"

	"fountain/cloud/awsiot/jobs"
	"fountain/cloud/store"
)

const jobTemplateARN = "jobtemplate/"

func (c *Control) jobTemplate(r *request, id string) (t jobs.Template, e store.Entry, err error) {
	if e, err = c.entry(r.Context(), store.KindJobTemplate, id, "Job template"); err != nil {
		return t, e, err
	}
	t, err = store.Settings[jobs.Template](e)
	return t, e, err
}

func (c *Control) createJobTemplate(r *request) (any, error) {
	id := r.PathValue("jobTemplateId")
	var in struct {
		JobARN string `json:"jobArn"`
		jobs.Template
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if in.JobARN != "" {
		if err := c.likeJob(r, in.JobARN, &in.Template); err != nil {
			return nil, err
		}
	}
	if err := in.Check(); err != nil {
		return nil, err
	}
	arn := c.arn(jobTemplateARN + id)
	err := c.cfg.Store.CreateEntry(r.Context(), store.Entry{Kind: store.KindJobTemplate, Name: id, Settings: encode(in.Template), Created: now()}, "")
	if errors.Is(err, store.ErrExists) {
		return nil, &failure{status: 409, code: "ConflictException", message: "Job template " + id + " already exists", more: obj{"resourceId": id}}
	}
	if err != nil {
		return nil, err
	}
	return obj{"jobTemplateArn": arn, "jobTemplateId": id}, nil
}

// likeJob takes document and settings from a job.
func (c *Control) likeJob(r *request, arn string, t *jobs.Template) error {
	id, ok := strings.CutPrefix(arn, c.arn("job/"))
	if !ok {
		return invalid("%q is no job of this account and region", arn)
	}
	d, err := c.cfg.Jobs.DescribeJob(r.Context(), id)
	if err != nil {
		return err
	}
	doc, err := c.cfg.Jobs.GetJobDocument(r.Context(), id)
	if err != nil {
		return err
	}
	req := jobs.CreateJobRequest{Document: t.Document, DocumentSource: t.DocumentSource, Settings: t.Settings}
	(&jobs.Template{Document: doc, Settings: d.Job.Settings}).Fill(&req)
	*t = jobs.Template{Document: req.Document, DocumentSource: req.DocumentSource, Settings: req.Settings}
	return nil
}

func (c *Control) describeJobTemplate(r *request) (any, error) {
	t, e, err := c.jobTemplate(r, r.PathValue("jobTemplateId"))
	if err != nil {
		return nil, err
	}
	return struct {
		ARN     string  `json:"jobTemplateArn"`
		ID      string  `json:"jobTemplateId"`
		Created float64 `json:"createdAt"`
		jobs.Template
	}{c.arn(jobTemplateARN + e.Name), e.Name, seconds(e.Created), t}, nil
}

func (c *Control) deleteJobTemplate(r *request) (any, error) {
	_, e, err := c.jobTemplate(r, r.PathValue("jobTemplateId"))
	if err != nil {
		return nil, err
	}
	if e.Origin == store.OriginStack {
		return nil, invalid("%s", ofStack("Job template", e.Name))
	}
	return nil, c.cfg.Store.DeleteEntry(r.Context(), store.KindJobTemplate, e.Name)
}

func (c *Control) listJobTemplates(r *request) (any, error) {
	p, err := r.page("maxResults", "nextToken")
	if err != nil {
		return nil, err
	}
	all, err := c.entries(r.Context(), store.KindJobTemplate)
	if err != nil {
		return nil, err
	}
	all, token := cut(p, all, entryName)
	var out []obj
	for _, e := range all {
		t, err := store.Settings[jobs.Template](e)
		if err != nil {
			return nil, err
		}
		out = append(out, obj{
			"jobTemplateArn": c.arn(jobTemplateARN + e.Name), "jobTemplateId": e.Name, "description": t.Description, "createdAt": seconds(e.Created),
		})
	}
	return list("jobTemplates", out, "nextToken", token), nil
}

// fromTemplate fills a request for a job from the template it names.
func (c *Control) fromTemplate(r *request, in *jobs.CreateJobRequest) error {
	if in.TemplateARN == "" {
		return nil
	}
	id, ok := strings.CutPrefix(in.TemplateARN, c.arn(jobTemplateARN))
	if !ok {
		return absent("The job template '%s' does not exist", in.TemplateARN)
	}
	t, _, err := c.jobTemplate(r, id)
	if err != nil {
		return err
	}
	t.Fill(in)
	return nil
}
