package jobs

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"fountain/cloud/store"
)

// maxPage is the largest page of a list, and the one when none is asked for.
const maxPage = 250

// ListJobs lists jobs, newest first.
func (s *Service) ListJobs(ctx context.Context, r ListJobsRequest) (*ListJobsResponse, error) {
	c := checker{}
	if r.Status != "" {
		c.oneOf(r.Status, "status", InProgress, Canceled, Completed, Deletion, Scheduled)
	}
	if r.TargetSelection != "" {
		c.oneOf(r.TargetSelection, "targetSelection", Snapshot, Continuous)
	}
	most, token, err := c.page(r.Max, r.Token, 1)
	if err != nil {
		return nil, err
	}
	before := int64(0)
	if token != nil {
		if before, err = strconv.ParseInt(token[0], 10, 64); err != nil {
			return nil, badToken()
		}
	}
	out := &ListJobsResponse{Jobs: []JobSummary{}}
	err = s.cfg.Store.ReadJobs(ctx, func(tx *store.JobsTx) error {
		for {
			rows, err := tx.ListJobs(ctx, r.Status, r.TargetSelection, before, maxPage)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if len(out.Jobs) == most {
					out.NextToken = makeToken(strconv.FormatInt(before, 10))
					return nil
				}
				before = row.N
				j, err := decodeJob(row)
				if err != nil {
					return err
				}
				if !s.targetsGroup(j, r.GroupName) {
					continue
				}
				waiting, err := tx.Waiting(ctx, row.ID, 1)
				if err != nil {
					return err
				}
				out.Jobs = append(out.Jobs, JobSummary{
					ARN: s.jobARN(row.ID), JobID: row.ID, TargetSelection: row.Selection, Status: row.Status, CreatedAt: seconds(row.Created),
					UpdatedAt: seconds(row.Updated), CompletedAt: seconds(row.Completed), Concurrent: j.concurrent(len(waiting) > 0),
				})
			}
			if len(rows) < maxPage {
				return nil
			}
		}
	})
	return out, err
}

// targetsGroup says whether a job is for a group; an empty name is every job's.
func (s *Service) targetsGroup(j *job, name string) bool {
	if name == "" {
		return true
	}
	for _, arn := range j.rec.Targets {
		if _, group, _ := s.target(arn); group == name {
			return true
		}
	}
	return false
}

// page checks the bounds of a list. token has as many parts as asked for, nil on the first page.
func (c *checker) page(most int, token string, parts int) (int, []string, error) {
	if most < 0 || most > maxPage {
		c.fault(most, "maxResults", "Member must have value between 1 and %d", maxPage)
	}
	if err := c.err(); err != nil {
		return 0, nil, err
	}
	if most == 0 {
		most = maxPage
	}
	if token == "" {
		return most, nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return 0, nil, badToken()
	}
	split := strings.Split(string(b), "/")
	if len(split) != parts {
		return 0, nil, badToken()
	}
	return most, split, nil
}

func badToken() *Error { return invalid("Invalid nextToken") }

func makeToken(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "/")))
}
