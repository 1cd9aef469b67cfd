package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"fountain/internal/problem"
	"fountain/sync/wire"
)

// atOnce bounds how many units are written to at the same time: a fleet must stop within seconds.
const atOnce = 16

type recallFlags struct {
	dir, thing, beverage, ingredient string
	all                              bool
}

func recallCommand(out io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use: "recall", Short: "Stop a beverage or an ingredient on units, from far away",
		Long: "Recall writes the shadow named recall. Units that are online stop within seconds, the others when they connect:\n" +
			"recall list says which have. What is stopped stays stopped over restarts until it is taken back.",
	}
	var f recallFlags
	run := func(use, short string, do func(context.Context) error) *cobra.Command {
		sub := &cobra.Command{
			Use: use, Short: short,
			Example: "  fountain-cloud recall " + use + " --beverage kolvane.zero --all --dir .cloud\n" +
				"  fountain-cloud recall " + use + " --ingredient citra --thing fountain-F00017 --dir .cloud",
			RunE: func(c *cobra.Command, _ []string) error { return do(c.Context()) },
		}
		sub.Flags().StringVar(&f.dir, "dir", "", "directory of fountain-cloud serve (needed)")
		sub.Flags().StringVar(&f.thing, "thing", "", "one unit")
		sub.Flags().BoolVar(&f.all, "all", false, "every unit")
		return sub
	}
	set := func(stop bool, word string) func(context.Context) error {
		return func(ctx context.Context) error {
			section, id, err := f.what()
			if err != nil {
				return err
			}
			return f.each(ctx, out, func(ctx context.Context, cl *client, thing string) (string, error) {
				return fmt.Sprintf("%-28s %s %s\n", thing, id, word), cl.writeRecall(ctx, thing, section, id, stop)
			})
		}
	}
	add, remove := run("add", "Stop it", set(true, "recalled")), run("remove", "Take it back", set(false, "allowed again"))
	for _, sub := range []*cobra.Command{add, remove} {
		sub.Flags().StringVar(&f.beverage, "beverage", "", "id of a beverage")
		sub.Flags().StringVar(&f.ingredient, "ingredient", "", "id of an ingredient")
	}
	list := run("list", "See what is stopped where", func(ctx context.Context) error {
		return f.each(ctx, out, func(ctx context.Context, cl *client, thing string) (string, error) { return cl.recalls(ctx, thing) })
	})
	list.Example = "  fountain-cloud recall list --all --dir .cloud"
	c.AddCommand(add, remove, list)
	return c
}

// what says which section of the shadow is meant.
func (f *recallFlags) what() (section, id string, err error) {
	switch {
	case (f.beverage == "") == (f.ingredient == ""):
		return "", "", &problem.Problem{
			Code: problem.CodeBadRequest, Where: "recall", What: "what is to be recalled must be named once",
			Remedy: "give --beverage ID or --ingredient ID",
		}
	case f.beverage != "":
		section, id = "beverages", f.beverage
	default:
		section, id = "ingredients", f.ingredient
	}
	if len(id) > wire.MaxRecallID {
		err = &problem.Problem{Code: problem.CodeBadRequest, Where: id, What: "that is no id: it is too long", Remedy: "see fountainctl brands"}
	}
	return section, id, err
}

// each does something for the units that are meant, several at the same time, and prints what came of it in their order.
func (f *recallFlags) each(ctx context.Context, out io.Writer, do func(context.Context, *client, string) (string, error)) error {
	if (f.thing == "") == !f.all {
		return &problem.Problem{
			Code: problem.CodeBadRequest, Where: "recall", What: "which units are meant must be said once", Remedy: "give --thing T or --all",
		}
	}
	cl, err := reach(f.dir)
	if err != nil {
		return err
	}
	things := []string{f.thing}
	if f.all {
		if things, err = cl.things(ctx); err != nil {
			return err
		}
	} else if err := cl.call(ctx, http.MethodGet, "/things/"+url.PathEscape(f.thing), nil, nil, nil); err != nil {
		return noThing(f.thing, err)
	}
	said := make([]string, len(things))
	errs := make([]error, len(things)) // one unit's trouble must not keep the others from stopping
	var g errgroup.Group
	g.SetLimit(atOnce)
	for i, t := range things {
		g.Go(func() error {
			text, err := do(ctx, cl, t)
			if err != nil {
				text, errs[i] = "", fmt.Errorf("%s: %w", t, err)
			}
			said[i] = text
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	_, err = io.WriteString(out, strings.Join(said, ""))
	return errors.Join(append(errs, err)...)
}

// things lists every unit.
func (c *client) things(ctx context.Context) (out []string, err error) {
	for token := ""; ; {
		var page struct {
			Things []struct {
				Name string `json:"thingName"`
			} `json:"things"`
			Next string `json:"nextToken"`
		}
		if err := c.call(ctx, http.MethodGet, "/things?maxResults=250&nextToken="+url.QueryEscape(token), nil, nil, &page); err != nil {
			return nil, err
		}
		for _, t := range page.Things {
			out = append(out, t.Name)
		}
		if token = page.Next; token == "" {
			return out, nil
		}
	}
}

func recallPath(thing string) string {
	return "/things/" + url.PathEscape(thing) + "/shadow?name=" + wire.RecallShadow
}

// writeRecall sets one id. It is allowed again by false, not by removing it: a unit that was offline could not tell.
func (c *client) writeRecall(ctx context.Context, thing, section, id string, stop bool) error {
	return c.call(ctx, http.MethodPost, recallPath(thing), nil, map[string]any{
		"state": map[string]any{"desired": map[string]any{section: map[string]bool{id: stop}}},
	}, nil)
}

// recalls says what is recalled on a unit, a line each.
func (c *client) recalls(ctx context.Context, thing string) (string, error) {
	type section struct {
		Beverages   map[string]bool `json:"beverages"`
		Ingredients map[string]bool `json:"ingredients"`
	}
	var doc struct {
		State struct{ Desired, Reported section } `json:"state"`
	}
	err := c.call(ctx, http.MethodGet, recallPath(thing), nil, nil, &doc)
	var no *refused
	if errors.As(err, &no) && no.status == http.StatusNotFound {
		return "", nil // nothing was ever recalled there
	}
	if err != nil {
		return "", err
	}
	var out strings.Builder
	print := func(kind string, want, is map[string]bool) {
		for _, id := range slices.Sorted(maps.Keys(want)) {
			if !want[id] {
				continue
			}
			state := "waiting for the unit"
			if is[id] {
				state = "stopped"
			}
			fmt.Fprintf(&out, "%-28s %-10s %-28s %s\n", thing, kind, id, state)
		}
	}
	print("beverage", doc.State.Desired.Beverages, doc.State.Reported.Beverages)
	print("ingredient", doc.State.Desired.Ingredients, doc.State.Reported.Ingredients)
	return out.String(), nil
}
