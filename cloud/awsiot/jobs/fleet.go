package jobs

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

// Registered is the Fleet of a store.
type Registered struct{ Store store.Registry }

var _ Fleet = Registered{}

// HasThing implements Fleet.
func (r Registered) HasThing(ctx context.Context, thing string) (bool, error) {
	_, err := r.Store.Thing(ctx, thing)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// GroupMembers implements Fleet.
func (r Registered) GroupMembers(ctx context.Context, group string) (things []string, ok bool, err error) {
	if _, err := r.Store.Entry(ctx, store.KindGroup, group); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return nil, false, nil
		}
		return nil, false, err
	}
	things, err = store.Members(ctx, r.Store, group, true)
	return things, err == nil, err
}

// Revision counts the changes of who is in the fleet.
func (r Registered) Revision() int64 { return r.Store.Revision() }

// target takes a target's ARN apart; ok is false when it is none of this account.
func (s *Service) target(arn string) (thing, group string, ok bool) {
	rest, ok := strings.CutPrefix(arn, s.cfg.ARN)
	if !ok {
		return "", "", false
	}
	if thing, ok := strings.CutPrefix(rest, "thing/"); ok {
		return thing, "", wire.CheckThing(thing) == nil
	}
	group, ok = strings.CutPrefix(rest, "thinggroup/")
	return "", group, ok && wire.CheckThing(group) == nil
}

// checkTargets says what is wrong with targets.
func (s *Service) checkTargets(ctx context.Context, arns []string, groupsOnly bool) error {
	if len(arns) == 0 {
		c := checker{}
		c.fault("[]", "targets", "Member must have length greater than or equal to 1")
		return c.err()
	}
	if len(arns) > maxTargets {
		return tooMany("The job has %d targets, at most %d are allowed", len(arns), maxTargets)
	}
	for _, arn := range arns {
		thing, group, ok := s.target(arn)
		if !ok || groupsOnly && group == "" {
			return invalid("The target '%s' is no ARN of a thing or thing group of this account and region", arn)
		}
		if thing != "" {
			ok, err := s.cfg.Fleet.HasThing(ctx, thing)
			if err != nil {
				return err
			}
			if !ok {
				return missing("The target thing '%s' does not exist", arn)
			}
			continue
		}
		if _, ok, err := s.cfg.Fleet.GroupMembers(ctx, group); err != nil {
			return err
		} else if !ok {
			return missing("The target thing group '%s' does not exist", arn)
		}
	}
	return nil
}

// members lists the things that targets mean now, each once.
func (s *Service) members(ctx context.Context, arns []string) ([]string, error) {
	seen := map[string]bool{}
	for _, arn := range arns {
		thing, group, _ := s.target(arn)
		if thing != "" {
			ok, err := s.cfg.Fleet.HasThing(ctx, thing)
			if err != nil {
				return nil, err
			}
			if ok {
				seen[thing] = true
			}
			continue
		}
		things, _, err := s.cfg.Fleet.GroupMembers(ctx, group)
		if err != nil {
			return nil, err
		}
		for _, t := range things {
			seen[t] = true
		}
	}
	out := make([]string, 0, len(seen))
	for t := range seen {
		out = append(out, t)
	}
	slices.Sort(out)
	return out, nil
}

// FleetChanged makes continuous jobs follow who joined and left their groups, and takes the executions of things that were
// deleted away. Run does it too, a moment later.
func (s *Service) FleetChanged(ctx context.Context) error {
	var ids []string
	if err := s.cfg.Store.ReadJobs(ctx, func(tx *store.JobsTx) error {
		ids = nil
		for _, status := range []string{InProgress, Scheduled} {
			jobs, err := tx.ListJobs(ctx, status, "", 0, math.MaxInt32)
			if err != nil {
				return err
			}
			for _, j := range jobs {
				ids = append(ids, j.ID)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	var failed error
	for _, id := range ids {
		failed = errors.Join(failed, s.followOne(ctx, id)) // one that cannot go on must not stop the others
	}
	return failed
}

func (s *Service) followOne(ctx context.Context, id string) error {
	t, err := s.change(ctx, func(t *txn) error { return s.follow(ctx, t, id) })
	if err != nil {
		return err
	}
	s.tell(ctx, t, "")
	return s.advanceAll(ctx, id)
}

// follow brings the executions of a job in line with who is meant now. A snapshot loses only things that are gone.
func (s *Service) follow(ctx context.Context, t *txn, id string) error {
	j, err := t.job(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !j.active() || !j.rec.Progress.Members {
		return err
	}
	meant := func(thing string) (bool, error) { return s.cfg.Fleet.HasThing(ctx, thing) }
	if j.row.Selection == Continuous {
		members, err := s.members(ctx, j.rec.Targets)
		if err != nil {
			return err
		}
		meant = func(thing string) (bool, error) { _, ok := slices.BinarySearch(members, thing); return ok, nil }
		if err := t.join(ctx, j, members); err != nil {
			return err
		}
	}
	waiting, err := t.Waiting(ctx, id, math.MaxInt32)
	if err != nil {
		return err
	}
	gone, err := without(waiting, func(thing string) string { return thing }, meant)
	if err != nil {
		return err
	}
	if err := t.DropWaiting(ctx, id, gone); err != nil {
		return err
	}
	t.settle[id] = true
	open, err := t.Unfinished(ctx, id, true, math.MaxInt32)
	if err != nil {
		return err
	}
	left, err := without(open, func(e store.JobExecution) string { return e.Thing }, meant)
	if err != nil {
		return err
	}
	for i := range left {
		if err := t.move(ctx, j, &left[i], wire.JobRemoved); err != nil {
			return err
		}
	}
	return nil
}

// join notes the members of a continuous job who were not told of it yet.
func (t *txn) join(ctx context.Context, j *job, members []string) error {
	if j.rec.Progress.Ended {
		return nil
	}
	told, err := t.Told(ctx, j.row.ID)
	if err != nil {
		return err
	}
	var fresh []string
	for _, m := range members {
		if !told[m] {
			fresh = append(fresh, m)
		}
	}
	return t.AddWaiting(ctx, j.row.ID, fresh)
}

// without returns those of list whose thing is not meant.
func without[T any](list []T, thing func(T) string, meant func(string) (bool, error)) (out []T, err error) {
	for _, v := range list {
		ok, err := meant(thing(v))
		if err != nil {
			return nil, err
		}
		if !ok {
			out = append(out, v)
		}
	}
	return out, nil
}
