package store

import (
	"context"
	"fmt"
	"slices"
)

// Ancestry lists a thing group and those above it, nearest first.
func Ancestry(ctx context.Context, reg Entries, group string) ([]string, error) {
	return ancestry(group, func(name string) (Entry, error) { return reg.Entry(ctx, KindGroup, name) })
}

func ancestry(group string, read func(name string) (Entry, error)) (line []string, err error) {
	for group != "" {
		e, err := read(group)
		if err != nil {
			return nil, fmt.Errorf("thing group %s: %w", group, err)
		}
		set, err := e.Group()
		if err != nil {
			return nil, err
		}
		line, group = append(line, group), set.Parent
	}
	return line, nil
}

// Members lists the things of a group and, when deep, of the groups below it, in order of name.
func Members(ctx context.Context, reg Registry, group string, deep bool) ([]string, error) {
	groups := []string{group}
	if deep {
		children := map[string][]string{}
		const step = 250
		for after := ""; ; {
			some, err := reg.ListEntries(ctx, KindGroup, after, step)
			if err != nil {
				return nil, err
			}
			for _, e := range some {
				set, err := e.Group()
				if err != nil {
					return nil, err
				}
				children[set.Parent] = append(children[set.Parent], e.Name)
				after = e.Name
			}
			if len(some) < step {
				break
			}
		}
		for i := 0; i < len(groups); i++ {
			groups = append(groups, children[groups[i]]...)
		}
	}
	var out []string
	for _, g := range groups {
		const step = 1000
		for after := ""; ; {
			some, err := reg.ThingsIn(ctx, g, after, step)
			if err != nil {
				return nil, err
			}
			out = append(out, some...)
			if len(some) < step {
				break
			}
			after = some[step-1]
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// join makes a thing a member of a group unless AWS would not: of ten groups at most, and of one in each hierarchy.
func join(ctx context.Context, tx conn, group, thing string, at int64) error {
	has, err := froms(ctx, tx, linkGroup, thing)
	if err != nil || slices.Contains(has, group) {
		return err
	}
	if len(has) >= MaxThingGroups {
		return fmt.Errorf("%w: thing %s is in %d groups", ErrGroups, thing, len(has))
	}
	top := func(group string) (string, error) {
		line, err := ancestry(group, func(name string) (Entry, error) { return entry(ctx, tx, KindGroup, name) })
		if err != nil {
			return "", err
		}
		return line[len(line)-1], nil
	}
	root, err := top(group)
	if err != nil {
		return err
	}
	for _, g := range has {
		other, err := top(g)
		if err != nil {
			return err
		}
		if other == root {
			return fmt.Errorf("%w: thing %s is in %s, of the same hierarchy", ErrGroups, thing, g)
		}
	}
	return link(ctx, tx, linkGroup, group, thing, at)
}
