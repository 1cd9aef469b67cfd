package control

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"fountain/cloud/awsiot/jobs"
	"fountain/cloud/store"
)

// Quotas on tags.
const (
	maxTags     = 50 // of one resource
	maxTagKey   = 128
	maxTagValue = 256
)

// tagForm says nothing of the length: {1,128} of these classes takes 6 MB and 6 ms at every start.
var tagForm = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]+$`)

// tagged are the tags of a resource. Created is the resource's: one that is made again under its old name has none.
type tagged struct {
	Created int64             `json:"created"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// tagKinds are the kinds of entries with tags, as ARNs name them. Things and certificates have none on AWS.
var tagKinds = map[string]string{
	"thinggroup": store.KindGroup, "thingtype": store.KindType, "policy": store.KindPolicy,
	"provisioningtemplate": store.KindTemplate, "jobtemplate": store.KindJobTemplate,
}

// taggable finds a resource by its ARN and tells when it was made.
func (c *Control) taggable(r *request, arn string) (resource string, created int64, err error) {
	resource, mine := strings.CutPrefix(arn, c.arn(""))
	kind, name, _ := strings.Cut(resource, "/")
	switch {
	case mine && kind == "job":
		d, err := c.cfg.Jobs.DescribeJob(r.Context(), name)
		if err != nil {
			return "", 0, err
		}
		return resource, d.Job.CreatedAt, nil
	case mine && tagKinds[kind] != "":
		e, err := c.entry(r.Context(), tagKinds[kind], name, "Resource")
		return resource, e.Created, err
	}
	return "", 0, invalid("'%s' is no resource of this account and region that can have tags", arn)
}

func checkTags(tags []jobs.Tag) error {
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case !tagForm.MatchString(t.Key) || utf8.RuneCountInString(t.Key) > maxTagKey || strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return invalid("'%s' is no key of a tag", t.Key)
		case utf8.RuneCountInString(t.Value) > maxTagValue:
			return invalid("The value of tag '%s' is longer than %d", t.Key, maxTagValue)
		case seen[t.Key]:
			return invalid("Tag '%s' is there twice", t.Key)
		}
		seen[t.Key] = true
	}
	if len(tags) > maxTags {
		return invalid("There are %d tags, a resource has at most %d", len(tags), maxTags)
	}
	return nil
}

// retag adds and removes tags.
func (c *Control) retag(r *request, arn string, add []jobs.Tag, remove []string) error {
	resource, created, err := c.taggable(r, arn)
	if err != nil {
		return err
	}
	err = c.cfg.Store.CreateEntry(r.Context(), store.Entry{Kind: store.KindTags, Name: resource, Created: now()}, "")
	if err != nil && !errors.Is(err, store.ErrExists) {
		return err
	}
	return c.cfg.Store.UpdateEntry(r.Context(), store.KindTags, resource, 0, now(), func(e *store.Entry) error {
		set, err := store.Settings[tagged](*e)
		if err != nil {
			return err
		}
		if set.Tags == nil || set.Created != created {
			set = tagged{created, map[string]string{}}
		}
		for _, t := range add {
			set.Tags[t.Key] = t.Value
		}
		for _, k := range remove {
			delete(set.Tags, k)
		}
		if len(set.Tags) > maxTags {
			return fmt.Errorf("%w: a resource has at most %d tags", store.ErrLimit, maxTags)
		}
		e.Settings = encode(set)
		return nil
	})
}

// changeTags is TagResource and UntagResource: each needs its own list.
func (c *Control) changeTags(r *request) (any, error) {
	var in struct {
		ARN    string     `json:"resourceArn"`
		Add    []jobs.Tag `json:"tags"`
		Remove []string   `json:"tagKeys"`
	}
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	if (in.Add == nil) == (in.Remove == nil) {
		return nil, invalid("tags or tagKeys must be given")
	}
	if err := checkTags(in.Add); err != nil {
		return nil, err
	}
	return nil, c.retag(r, in.ARN, in.Add, in.Remove)
}

// listTags answers all at once: there are never more than a page.
func (c *Control) listTags(r *request) (any, error) {
	resource, created, err := c.taggable(r, r.query("resourceArn"))
	if err != nil {
		return nil, err
	}
	var set tagged
	if e, err := c.cfg.Store.Entry(r.Context(), store.KindTags, resource); err == nil {
		set, err = store.Settings[tagged](e)
		if err != nil {
			return nil, err
		}
	} else if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	out := []obj{}
	for _, k := range slices.Sorted(maps.Keys(set.Tags)) {
		if set.Created == created {
			out = append(out, obj{"Key": k, "Value": set.Tags[k]})
		}
	}
	return obj{"tags": out}, nil
}

// tagging makes an operation that creates a resource take its tags, too. arn finds the resource in the answer.
func (c *Control) tagging(create func(*request) (any, error), arn func(answer any) string) func(*request) (any, error) {
	return func(r *request) (any, error) {
		var in struct {
			Tags []jobs.Tag `json:"tags"`
		}
		if err := r.decode(&in); err != nil {
			return nil, err
		}
		if err := checkTags(in.Tags); err != nil {
			return nil, err
		}
		answer, err := create(r)
		if err != nil || len(in.Tags) == 0 {
			return answer, err
		}
		return answer, c.retag(r, arn(answer), in.Tags, nil)
	}
}

// named finds the ARN in an answer.
func named(member string) func(any) string {
	return func(answer any) string { arn, _ := answer.(obj)[member].(string); return arn }
}
