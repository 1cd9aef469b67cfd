package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"fountain/cloud/store"
	"fountain/internal/units"
)

// followEvery is how often tail looks for news; a commit is seen at most this much later.
const followEvery = 200 * time.Millisecond

type consumptionFlags struct {
	place
	json  bool
	after int64
}

func consumptionCommand(stdout io.Writer, getenv func(string) string) *cobra.Command {
	c := &cobra.Command{Use: "consumption", Short: "Read what was poured"}
	f := consumptionFlags{place: place{getenv: getenv}}
	flags := func(c *cobra.Command) *cobra.Command {
		f.flags(c)
		c.Flags().BoolVar(&f.json, "json", false, "one record a line, as the unit wrote it")
		return c
	}
	tail := flags(&cobra.Command{
		Use: "tail", Short: "Follow records in the order they were committed, from the first on",
		Example: "  fountain-cloud consumption tail --dir .cloud --json",
		RunE: func(c *cobra.Command, _ []string) error {
			return f.read(c.Context(), func(db store.Store) error { return follow(c.Context(), db, f, stdout) })
		},
	})
	tail.Flags().Int64Var(&f.after, "after", 0, "leave out the first N records")
	export := flags(&cobra.Command{
		Use: "export", Short: "Print every record, ordered by thing, log and seq",
		Example: "  fountain-cloud consumption export --dir .cloud --json > pours.jsonl",
		RunE: func(c *cobra.Command, _ []string) error {
			return f.read(c.Context(), func(db store.Store) error {
				return db.Export(c.Context(), func(p store.Pour) error { return printPour(stdout, f.json, p) })
			})
		},
	})
	c.AddCommand(tail, export)
	return c
}

func follow(ctx context.Context, db store.Store, f consumptionFlags, stdout io.Writer) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for after := f.after; ; {
		pours, err := db.After(ctx, after, 1000)
		if err != nil {
			if ctx.Err() != nil {
				return nil // asked to stop
			}
			return err
		}
		for _, p := range pours {
			if err := printPour(stdout, f.json, p); err != nil {
				return err
			}
			after = p.N
		}
		if len(pours) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func printPour(w io.Writer, asJSON bool, p store.Pour) error {
	if asJSON {
		var b bytes.Buffer
		if err := json.Compact(&b, p.Body); err != nil {
			return fmt.Errorf("print pour %d: %w", p.N, err)
		}
		b.WriteByte('\n')
		_, err := w.Write(b.Bytes())
		return err
	}
	r := &p.Record
	_, err := fmt.Fprintf(w, "%s  %-24s %-28s %10s of %10s  %-11s %s %s/%d\n", time.UnixMilli(p.Received).Format("2006-01-02 15:04:05"), r.Thing,
		r.Beverage, units.Volume(r.CountedUL+r.EstimatedUL), units.Volume(r.TargetUL), r.Outcome, r.Rig, r.Log, r.Seq)
	return err
}
