package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	aside := flags(&cobra.Command{
		Use: "aside", Short: "Print what was kept aside: records that contradict a stored one, and what is no record",
		Example: "  fountain-cloud consumption aside --dir .cloud",
		RunE: func(c *cobra.Command, _ []string) error {
			return f.read(c.Context(), func(db store.Store) error {
				n := 0
				err := db.KeptAside(c.Context(), func(a store.Aside) error { n++; return printAside(stdout, f.json, a) })
				if err == nil && n == 0 && !f.json {
					fmt.Fprintln(stdout, "nothing is kept aside")
				}
				return err
			})
		},
	})
	aside.Flags().Lookup("json").Usage = "one a line, the body in base64"
	c.AddCommand(tail, export, aside)
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

func printAside(w io.Writer, asJSON bool, a store.Aside) error {
	if asJSON {
		return json.NewEncoder(w).Encode(a)
	}
	what := a.Kind
	if a.Log != "" {
		what = fmt.Sprintf("%s %s/%d", a.Kind, a.Log, a.Seq)
	}
	why := a.Why
	if a.Seen > 0 {
		why += fmt.Sprintf("; seen by %s at %s", printable([]byte(a.SeenBy)), time.UnixMilli(a.Seen).Format("2006-01-02 15:04:05"))
	}
	_, err := fmt.Fprintf(w, "%s  %-24s %s, %d times: %s\n    %s\n", time.UnixMilli(a.Received).Format("2006-01-02 15:04:05"), cmp.Or(a.Thing, "-"),
		what, a.Times, why, printable(a.Body))
	return err
}

// printable is a body as it is when it is text, else quoted: it may come from anybody and is shown on a terminal.
func printable(body []byte) string {
	text := string(body)
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) {
		return strconv.Quote(text)
	}
	return text
}
