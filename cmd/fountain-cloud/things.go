package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"fountain/cloud/store"
	"fountain/internal/problem"
)

func thingsCommand(stdout io.Writer, getenv func(string) string) *cobra.Command {
	c := &cobra.Command{Use: "things", Aliases: []string{"unit"}, Short: "See, release and decommission units"}
	at := place{getenv: getenv}
	list := &cobra.Command{
		Use: "list", Short: "List units",
		Example: "  fountain-cloud things list --dir .cloud",
		RunE: func(c *cobra.Command, _ []string) error {
			return at.read(c.Context(), func(db store.Store) error {
				things, err := db.Things(c.Context())
				for _, t := range things {
					state := "offline"
					switch {
					case t.Released:
						state = "released"
					case t.Online:
						state = "online"
					}
					fmt.Fprintf(stdout, "%-28s %-20s %s\n", t.Name, t.Serial, state)
				}
				return err
			})
		},
	}
	release := &cobra.Command{
		Use: "release SERIAL", Short: "Let a serial be claimed again; its old identity stops working",
		Example: "  fountain-cloud things release F00017 --dir .cloud",
		Args:    cobra.ExactArgs(1),
		RunE:    func(c *cobra.Command, args []string) error { return at.release(c.Context(), args[0]) },
	}
	decommission := &cobra.Command{
		Use: "decommission THING", Short: "Take a unit out of service: its certificates stop working, its serial is free",
		Example: "  fountain-cloud things decommission fountain-F00017 --dir .cloud",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			cl, err := reach(at.dir)
			if err != nil {
				return err
			}
			n, err := cl.decommission(c.Context(), args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(stdout, "%s: %d certificates deactivated and detached\n", args[0], n)
			return nil
		},
	}
	for _, sub := range []*cobra.Command{list, release, decommission} {
		at.flags(sub)
	}
	c.AddCommand(list, release, decommission)
	return c
}

// release asks the running cloud, or does it itself when none runs.
func (p *place) release(ctx context.Context, serial string) error {
	cl, err := reach(p.dir)
	if err == nil {
		err = cl.release(ctx, serial)
	}
	var no *problem.Problem
	if p.dir == "" || !errors.As(err, &no) || no.Code != problem.CodeUnreachable {
		return err
	}
	return p.read(ctx, func(db store.Store) error {
		err := db.Release(ctx, serial)
		if errors.Is(err, store.ErrNotFound) {
			return noSerial(serial)
		}
		return err
	})
}

func noSerial(serial string) error {
	return &problem.Problem{Code: problem.CodeNotFound, Where: serial, What: "no unit has this serial", Remedy: "see fountain-cloud things list"}
}

func (c *client) release(ctx context.Context, serial string) error {
	err := c.call(ctx, http.MethodPost, "/fountain/serials/"+url.PathEscape(serial)+"/release", nil, nil, nil)
	var no *refused
	if errors.As(err, &no) && no.status == http.StatusNotFound {
		return noSerial(serial)
	}
	return err
}

// noThing turns the cloud's 404 into a problem with a remedy.
func noThing(thing string, err error) error {
	var no *refused
	if errors.As(err, &no) && no.status == http.StatusNotFound {
		return &problem.Problem{Code: problem.CodeNotFound, Where: thing, What: "there is no such unit", Remedy: "see fountain-cloud things list"}
	}
	return err
}

// decommission deactivates and detaches what a thing can prove itself with, then frees its serial. The thing and its pours
// stay in the books.
func (c *client) decommission(ctx context.Context, thing string) (certificates int, err error) {
	path := "/things/" + url.PathEscape(thing) + "/principals"
	var has struct {
		Principals []string `json:"principals"`
	}
	if err := c.call(ctx, http.MethodGet, path, nil, nil, &has); err != nil {
		return 0, noThing(thing, err)
	}
	var t struct {
		Serial string `json:"serial"`
	}
	if err := c.call(ctx, http.MethodGet, "/fountain/things/"+url.PathEscape(thing), nil, nil, &t); err != nil {
		return 0, noThing(thing, err)
	}
	if t.Serial != "" {
		if err := c.release(ctx, t.Serial); err != nil {
			return 0, err
		}
	}
	for _, arn := range has.Principals {
		id := arn[len(arn)-min(64, len(arn)):]
		err := c.call(ctx, http.MethodPut, "/certificates/"+id+"?newStatus=INACTIVE", nil, nil, nil)
		var no *refused
		if err != nil && (!errors.As(err, &no) || no.code != "CertificateStateException") { // that one is revoked
			return 0, err
		}
		if err := c.call(ctx, http.MethodDelete, path, map[string]string{"x-amzn-principal": arn}, nil, nil); err != nil {
			return 0, err
		}
	}
	return len(has.Principals), nil
}
