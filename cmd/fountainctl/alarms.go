package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"fountain/agent/api"
)

func (t *tool) alarmsCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "alarms",
		Short: "List what is wrong, with evidence and remedy; clear what you have mended",
		Long: `alarms lists every condition that stands: what it stops, what was measured and what to do. Most end by themselves when the
unit sees that the cause is gone, or by a service operation that proves it; "clear" is for those that only a person can
judge, and is refused for the others (exit code 3).`,
		Example: `  fountainctl alarms
  fountainctl alarms clear store_damaged state.db
  fountainctl alarms --json | jq -r '.[] | select(.severity == "blocks") | .name'`,
		Args: args(cobra.NoArgs),
	}
	list := t.read(func(ctx context.Context, c *api.Client, _ []string) error {
		all, err := c.Alarms(ctx)
		if err != nil {
			return err
		}
		if t.json {
			return t.printJSON(all)
		}
		return printAlarms(t.out, all, time.Now())
	})
	c.RunE = list
	t.jsonFlag(c, "the alarms as a JSON array")
	l := &cobra.Command{Use: "list", Short: "List every alarm that stands", Example: "  fountainctl alarms list --json", Args: args(cobra.NoArgs), RunE: list}
	t.jsonFlag(l, "the alarms as a JSON array")
	clear := &cobra.Command{
		Use: "clear NAME [SCOPE]", Short: "Say that you have mended the cause of an alarm",
		Example: `  fountainctl alarms clear store_damaged state.db
  fountainctl alarms clear rig_check_missing`,
		Args: args(cobra.RangeArgs(1, 2)),
		RunE: t.do(func(ctx context.Context, c *api.Client, a []string) error {
			person, err := t.who()
			if err != nil {
				return err
			}
			scope := "unit"
			if len(a) == 2 {
				scope = a[1]
			}
			if err := c.ClearAlarm(ctx, api.ClearAlarm{Name: a[0], Scope: scope, Person: person}); err != nil {
				return err
			}
			if t.json {
				return t.printJSON(map[string]string{"cleared": a[0], "scope": scope})
			}
			fmt.Fprintf(t.out, "cleared: %s (%s)\n", words(a[0]), scope)
			return nil
		}),
	}
	t.personFlag(clear)
	t.jsonFlag(clear, "what was cleared as JSON")
	c.AddCommand(l, clear)
	return c
}

func printAlarms(out io.Writer, all []api.Alarm, now time.Time) error {
	if len(all) == 0 {
		fmt.Fprintln(out, "no alarm stands")
		return nil
	}
	for i, a := range all {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s %s (%s)\n", a.Severity, a.Name, a.Scope)
		for _, l := range []struct{ name, text string }{
			{"what", a.What}, {"evidence", a.Evidence}, {"do", a.Remedy}, {"since", a.Since.Local().Format("2006-01-02 15:04:05") + ", " + age(now.Sub(a.Since))},
		} {
			if l.text == "" {
				continue
			}
			for j, line := range wrap(l.text, width(out)-12) {
				fmt.Fprintf(out, "  %-8s  %s\n", map[bool]string{true: l.name}[j == 0], line)
			}
		}
	}
	return nil
}

func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute ago"
	case d < 2*time.Hour:
		return count(int(d.Minutes()), "minute") + " ago"
	case d < 48*time.Hour:
		return count(int(d.Hours()), "hour") + " ago"
	}
	return count(int(d.Hours()/24), "day") + " ago"
}

func (t *tool) auditCmd() *cobra.Command {
	var person, action string
	c := &cobra.Command{
		Use:   "audit",
		Short: "List service actions, newest first: who did what to which line, and what came of it",
		Example: `  fountainctl audit
  fountainctl audit --person ada
  fountainctl audit --json | jq -r '.[0].action'`,
		Args: args(cobra.NoArgs),
		RunE: t.read(func(ctx context.Context, c *api.Client, _ []string) error {
			all, err := c.Audit(ctx)
			if err != nil {
				return err
			}
			shown := []api.AuditEntry{} // never null
			for _, e := range all {
				if (person == "" || e.Person == person) && (action == "" || e.Action == action) {
					shown = append(shown, e)
				}
			}
			if t.json {
				return t.printJSON(shown)
			}
			if len(shown) == 0 {
				fmt.Fprintln(t.out, "no service action is on record")
				return nil
			}
			w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "WHEN\tPERSON\tACTION\tLINE\tRESULT")
			for _, e := range shown {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.At.Local().Format("2006-01-02 15:04:05"), e.Person, e.Action, cmp.Or(e.Line, "-"), e.Result)
			}
			return flush(w)
		}),
	}
	c.Flags().StringVar(&person, "person", "", "only what `NAME` did")
	c.Flags().StringVar(&action, "action", "", "only this `ACTION`")
	t.jsonFlag(c, "[{at, person, action, line, result}]")
	return c
}
