package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"fountain/agent/api"
	"fountain/internal/atomicfile"
	"fountain/internal/problem"
)

// leavePatience is how long decommission waits for the unit to tell the cloud and to wipe itself.
const leavePatience = 2 * time.Minute

func (t *tool) decommissionCmd() *cobra.Command {
	var in api.Decommission
	var yes, undo bool
	var export string
	c := &cobra.Command{
		Use:   "decommission",
		Short: "Take the unit out of service: tell the cloud, wipe its key and certificate",
		Long: `decommission ends the unit's life under its name. It is refused while pours are on this unit only. Then no pour begins any
more, the cloud is told and takes the unit's certificates away, and key and certificate are overwritten and removed. The
pours stay in the store. A process that ends in between goes on at its next start.

The serial stays claimed until somebody releases it in the cloud (fountain-cloud things release SERIAL); after that --undo
lets the unit claim it again. Exit code 3: refused, because something would be lost.`,
		Example: `  fountainctl decommission
  fountainctl decommission --yes --export unit-417.jsonl --keep-unsent
  fountainctl decommission --yes --offline
  fountainctl decommission --undo`,
		Args: args(cobra.NoArgs),
		PreRunE: func(*cobra.Command, []string) error {
			if undo && (in.KeepUnsent || in.Offline || export != "") {
				return errors.New("--undo goes with no other choice: --keep-unsent, --offline or --export: leave one out; see fountainctl decommission --help")
			}
			return nil
		},
		RunE: t.do(func(ctx context.Context, c *api.Client, _ []string) error {
			person, err := t.who()
			if err != nil {
				return err
			}
			if undo {
				l, err := c.Recommission(ctx, api.Recommission{Person: person})
				if err != nil {
					return err
				}
				return t.printLeaving(l)
			}
			in.Person = person
			if export != "" {
				if err := atomicfile.WriteFunc(export, 0o600, func(f *os.File) error { return c.StorePours(ctx, "", 0, f) }); err != nil {
					return notWritten(export, "--export", err)
				}
			}
			if !yes {
				if err := t.sure(ctx, c); err != nil {
					return err
				}
			}
			l, err := c.Decommission(ctx, in)
			if err != nil {
				return err
			}
			if l, err = awaitLeft(ctx, c, l); err != nil {
				return err
			}
			return t.printLeaving(l)
		}),
	}
	f := c.Flags()
	f.BoolVar(&yes, "yes", false, "do not ask")
	f.BoolVar(&in.KeepUnsent, "keep-unsent", false, "although pours are on this unit only; they stay in its store")
	f.BoolVar(&in.Offline, "offline", false, "although the cloud cannot be told")
	f.StringVar(&export, "export", "", "first write every pour to `FILE`, as fountainctl store export does")
	f.BoolVar(&undo, "undo", false, "let a unit that was decommissioned be claimed again")
	t.personFlag(c)
	t.jsonFlag(c, "what became of it as JSON")
	return c
}

// sure asks the person.
func (t *tool) sure(ctx context.Context, c *api.Client) error {
	s, err := c.Status(ctx)
	if err != nil {
		return err
	}
	what := "Take " + cmp.Or(s.Thing, s.Serial) + " out of service and wipe its identity?"
	yes, err := t.terminal().yes(ctx, what)
	switch {
	case errors.Is(err, errNobody):
		return unanswered(what, "--yes")
	case err != nil:
		return err
	case !yes:
		return &problem.Problem{Code: problem.CodeConflict, Where: "decommission", What: "nothing was done", Remedy: "answer y to do it"}
	}
	return nil
}

// awaitLeft waits until nothing is left of the identity.
func awaitLeft(ctx context.Context, c *api.Client, l api.Leaving) (api.Leaving, error) {
	for end := time.Now().Add(leavePatience); l.State == api.Leaves; {
		if time.Now().After(end) {
			return l, &problem.Problem{
				Code: problem.CodeUnreachable, Where: "decommission", What: "the cloud has not been told yet", Remedy: "the unit goes on by itself: fountainctl status", Retry: true,
			}
		}
		select {
		case <-ctx.Done():
			return l, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		var err error
		if l, err = c.Leaving(ctx); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (t *tool) printLeaving(l api.Leaving) error {
	if t.json {
		return t.printJSON(l)
	}
	switch l.State {
	case api.Left:
		fmt.Fprintf(t.out, "%s is out of service, its identity is wiped\n", cmp.Or(l.Thing, "the unit"))
		if l.Unsent > 0 {
			fmt.Fprintf(t.out, "%s stay in its store: fountainctl store export\n", count(int(l.Unsent), "pour"))
		}
	case api.InService:
		fmt.Fprintln(t.out, "the unit may be claimed again: it does so as soon as it reaches the cloud")
	}
	return nil
}
