package jobs

import "unicode/utf8"

// Template is a job template: what CreateJob takes from it unless the request says otherwise.
type Template struct {
	DocumentSource string `json:"documentSource,omitempty"`
	Document       string `json:"document,omitempty"`
	Settings
}

// Check is CreateJobTemplate's: every error is an *Error.
func (t *Template) Check() error {
	c := checker{}
	c.settings(&t.Settings)
	if utf8.RuneCountInString(t.Description) == 0 {
		c.missing("description")
	}
	if err := c.err(); err != nil {
		return err
	}
	switch {
	case (t.Document == "") == (t.DocumentSource == ""):
		return invalid("One of document and documentSource must be given")
	case t.Document == "":
		_, _, err := parseS3(t.DocumentSource, false)
		if err != nil {
			return invalid("documentSource '%s': %v", t.DocumentSource, err)
		}
		return nil
	}
	return checkDocument(t.Document, t.Presigned)
}

// Fill puts into a request what it leaves to the template.
func (t *Template) Fill(r *CreateJobRequest) {
	if r.Document == "" && r.DocumentSource == "" {
		r.Document, r.DocumentSource = t.Document, t.DocumentSource
	}
	if r.Description == "" {
		r.Description = t.Description
	}
	r.Presigned = either(r.Presigned, t.Presigned)
	r.Rollout = either(r.Rollout, t.Rollout)
	r.Abort = either(r.Abort, t.Abort)
	r.Timeout = either(r.Timeout, t.Timeout)
	r.Retry = either(r.Retry, t.Retry)
}

func either[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}
