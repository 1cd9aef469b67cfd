package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"fountain/cloud/store"
)

// What thing types, thing groups, policies, provisioning templates and job templates have in common: each is an entry of
// the store with settings, and policies and templates have versions.

func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible: plain structs
	}
	return b
}

// entry reads an entry and says in AWS's words when there is none.
func (c *Control) entry(ctx context.Context, kind, name, what string) (store.Entry, error) {
	e, err := c.cfg.Store.Entry(ctx, kind, name)
	if errors.Is(err, store.ErrNotFound) {
		err = absent("%s %s cannot be found.", what, name)
	}
	return e, err
}

// entries lists all entries of a kind by name.
func (c *Control) entries(ctx context.Context, kind string) (all []store.Entry, err error) {
	const step = 250
	after := ""
	for {
		some, err := c.cfg.Store.ListEntries(ctx, kind, after, step)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < step {
			return all, nil
		}
		after = some[step-1].Name
	}
}

func entryName(e store.Entry) string { return e.Name }

// byCreation orders entries as lists with isAscendingOrder do.
func byCreation(all []store.Entry, ascending bool) {
	slices.SortStableFunc(all, func(a, b store.Entry) int {
		if ascending {
			return cmp.Compare(a.Created, b.Created)
		}
		return cmp.Compare(b.Created, a.Created)
	})
}

// version reads the number of a version from the path.
func version(r *request, key string) (int, error) {
	v := r.PathValue(key)
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return 0, invalid("%s %q is no number of a version", key, v)
	}
	return n, nil
}

// tooMany tells that a sixth version is one too many.
func tooMany(what, name string) error {
	return &failure{
		status: 409, code: "VersionsLimitExceededException",
		message: "The " + what + " " + name + " already has the maximum number of versions (" + strconv.Itoa(store.MaxBodies) + ")",
	}
}

func now() int64 { return time.Now().UnixMilli() }
