package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"fountain/agent/api"
	"fountain/agent/store"
	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

func (t *tool) storeCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "Look into the pour buffer: logs, gaps, what was set aside; export and back it up",
		Long: `store shows the buffer in which pours wait until the cloud has them: every log with its marks, what damage has cost, which
records the cloud refuses, and how much room is left. Putting a backup back is fountaind store restore.`,
		Example: `  fountainctl store status
  fountainctl store export --log lq2w3e4r5t6y7 --from 1200
  fountainctl store backup -o unit-417.pours`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(t.storeStatusCmd(), t.storeExportCmd(), t.storeBackupCmd(), t.storeQuarantineCmd(), t.storeReleaseCmd())
	return c
}

func (t *tool) storeStatusCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Show logs, gaps, quarantine, damage and the room that is left",
		Example: `  fountainctl store status
  fountainctl store status --json | jq '.logs[] | select(.gaps)'`,
		Args: args(cobra.NoArgs),
		RunE: t.read(func(ctx context.Context, c *api.Client, _ []string) error {
			s, err := c.Store(ctx)
			if err != nil {
				return err
			}
			if t.json {
				return t.printJSON(s)
			}
			return printStore(t.out, s)
		}),
	}
	t.jsonFlag(c, "the state as JSON")
	return c
}

func printStore(out io.Writer, s api.StoreState) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LOG\tFROM\tTO\tACKNOWLEDGED\tPENDING\tLOST")
	for _, l := range s.Logs {
		name, from, lost := l.Log, strconv.FormatUint(l.Oldest, 10), "none"
		if l.Current {
			name += " *"
		}
		if l.Oldest > l.Last {
			from = "-"
		}
		if len(l.Gaps) > 0 {
			lost = ranges(l.Gaps)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\n", name, from, l.Last, l.Acked, l.Pending, lost)
	}
	if err := flush(w); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nwaiting for the cloud: %s, %s, %s\n", count(int(s.Pending), "pour"), count(s.Segments, "segment"), count(len(s.Logs), "log"))
	if s.Quarantined > 0 {
		fmt.Fprintf(out, "%s set aside, the cloud refuses them: fountainctl store quarantine\n", count(s.Quarantined, "pour"))
	}
	d := s.Disk
	disk := fmt.Sprintf("disk %s: %d of %d MiB free", d.State, d.FreeBytes>>20, d.TotalBytes>>20)
	switch {
	case d.Refusing:
		disk += ", no pour begins"
	case !d.Ballast:
		disk += ", without a reserve"
	}
	fmt.Fprintln(out, disk)
	for _, x := range s.Damages {
		fmt.Fprintf(out, "damaged: %s\n  %s\n  rescued: %d", x.File, x.What, x.Rescued)
		if len(x.Lost) > 0 {
			fmt.Fprintf(out, ", lost of log %s: %s", x.Log, ranges(x.Lost))
		}
		fmt.Fprintln(out)
	}
	if s.Kept > len(s.Damages) {
		fmt.Fprintf(out, "%s kept aside\n", count(s.Kept, "damaged file"))
	}
	return nil
}

func ranges(list []api.SeqRange) string {
	var out []string
	for _, r := range list {
		if r.From == r.To {
			out = append(out, strconv.FormatUint(r.From, 10))
		} else {
			out = append(out, fmt.Sprintf("%d-%d", r.From, r.To))
		}
	}
	return strings.Join(out, ", ")
}

func (t *tool) storeExportCmd() *cobra.Command {
	var log string
	var from uint64
	c := &cobra.Command{
		Use:   "export",
		Short: "Print pours as JSON lines, byte for byte as they were recorded",
		Long: `export prints the records of one log, or of all of them, oldest log first: one JSON object a line, as they were recorded and
are sent. It waits for a pour to end now and then. A line break inside of a record would be taken out; ours have none.`,
		Example: `  fountainctl store export | gzip > pours.jsonl.gz
  fountainctl store export --log lq2w3e4r5t6y7 --from 1200 | jq -r '[.started, .beverage, .counted_ul] | @csv'`,
		Args: args(cobra.NoArgs),
		RunE: t.do(func(ctx context.Context, c *api.Client, _ []string) error { return c.StorePours(ctx, log, from, t.out) }),
	}
	c.Flags().StringVar(&log, "log", "", "only this `LOG` of fountainctl store status")
	c.Flags().Uint64Var(&from, "from", 0, "only from record `N` on")
	return c
}

func (t *tool) storeBackupCmd() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "backup",
		Short: "Write the whole buffer into one file, with checksums, while the unit runs",
		Long: `backup writes the buffer as it stands at one moment; pours go on meanwhile. The file is verified before it gets its name.
It holds the unit's stored settings too, among them the hash of the PIN, but no keys. fountaind store restore puts it back.`,
		Example: `  fountainctl store backup -o unit-417.pours`,
		Args:    args(cobra.NoArgs),
		RunE: t.do(func(ctx context.Context, c *api.Client, _ []string) error {
			if file == "" {
				return &problem.Problem{Code: problem.CodeBadRequest, Where: "-o", What: "no file is named", Remedy: "give -o FILE, or - for standard output"}
			}
			if file == "-" {
				return c.StoreBackup(ctx, t.out)
			}
			var m store.Manifest
			var size int64
			err := atomicfile.WriteFunc(file, 0o600, func(f *os.File) (err error) {
				if err = c.StoreBackup(ctx, f); err != nil {
					return err
				}
				if size, err = f.Seek(0, io.SeekCurrent); err != nil {
					return err
				}
				if _, err = f.Seek(0, io.SeekStart); err != nil {
					return err
				}
				m, err = store.ReadBackup(f, nil)
				return err
			})
			if err != nil {
				return notWritten(file, "-o", err)
			}
			fmt.Fprintf(t.out, "%s: %s, %d kB\n", file, count(len(m.Logs), "log"), (size+999)/1000)
			return nil
		}),
	}
	c.Flags().StringVarP(&file, "output", "o", "", "write it to `FILE`; - is standard output")
	return c
}

func (t *tool) storeQuarantineCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "quarantine",
		Short: "List the pours that the cloud refuses, with the reason",
		Example: `  fountainctl store quarantine
  fountainctl store quarantine --json | jq .reason`,
		Args: args(cobra.NoArgs),
		RunE: t.do(func(ctx context.Context, c *api.Client, _ []string) error {
			if t.json {
				return c.StoreQuarantine(ctx, t.out)
			}
			var lines bytes.Buffer
			if err := c.StoreQuarantine(ctx, &lines); err != nil {
				return err
			}
			if lines.Len() == 0 {
				fmt.Fprintln(t.out, "nothing is set aside")
				return nil
			}
			w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "LOG\tSEQ\tREFUSED\tREASON")
			for d := json.NewDecoder(&lines); ; {
				var q api.QuarantinedPour
				if err := d.Decode(&q); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					return fmt.Errorf("read what is set aside: %w", err)
				}
				fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", q.Log, q.Seq, q.At.Local().Format("2006-01-02 15:04:05"), q.Reason)
			}
			return flush(w)
		}),
	}
	t.jsonFlag(c, "them with their records, one JSON object a line")
	return c
}

func (t *tool) storeReleaseCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "release LOG [SEQ…]",
		Short: "Have pours that were set aside sent again, once what the cloud had against them is mended",
		Example: `  fountainctl store release lq2w3e4r5t6y7 417 418
  fountainctl store release lq2w3e4r5t6y7`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: t.do(func(ctx context.Context, c *api.Client, a []string) error {
			person, err := t.who()
			if err != nil {
				return err
			}
			in := api.ReleasePours{Log: a[0], Person: person}
			for _, s := range a[1:] {
				seq, err := strconv.ParseUint(s, 10, 64)
				if err != nil || seq == 0 {
					return &problem.Problem{Code: problem.CodeBadRequest, Where: s, What: "this is no number of a record", Remedy: "see fountainctl store quarantine"}
				}
				in.Seqs = append(in.Seqs, seq)
			}
			out, err := c.ReleasePours(ctx, in)
			if err != nil {
				return err
			}
			if t.json {
				return t.printJSON(out)
			}
			fmt.Fprintf(t.out, "%s will be sent again\n", count(out.Released, "pour"))
			return nil
		}),
	}
	t.personFlag(c)
	t.jsonFlag(c, "how many as JSON")
	return c
}
