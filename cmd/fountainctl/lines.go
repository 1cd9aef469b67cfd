package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"fountain/agent/api"
	"fountain/internal/problem"
)

func (t *tool) linesCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "lines [LINE]",
		Short: "List valves, meters, pumps and agitators: calibration, cleaning, what is due",
		Long: `lines lists every valve, meter, pump and agitator with its calibration and when it is due. With a LINE it shows that one, with the
calibrations before the present one.`,
		Example: `  fountainctl lines
  fountainctl lines flow_still
  fountainctl lines --json | jq -r '.[] | select(.calibration == null) | .id'`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: t.read(func(ctx context.Context, c *api.Client, args []string) error {
			all, err := c.Lines(ctx)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if t.json {
					return t.printJSON(all)
				}
				return printLines(t.out, all, time.Now())
			}
			for _, l := range all {
				if l.ID == args[0] {
					if t.json {
						return t.printJSON([]api.Line{l})
					}
					return printLine(t.out, l, time.Now())
				}
			}
			return suggestLine(ctx, c, args[0], &problem.Problem{
				Code: problem.CodeNotFound, Where: args[0], What: "there is no such line", Remedy: "see fountainctl lines",
			})
		}),
	}
	t.jsonFlag(c, "the lines as a JSON array")
	return c
}

// calibrated tells whether lines of this kind are calibrated at all.
func calibrated(l api.Line) bool { return l.Kind == "flow-meter" || l.Kind == "dosing-pump" }

func printLines(out io.Writer, all []api.Line, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LINE\tKIND\tINGREDIENT\tCALIBRATION\tCLEANING\tSTATE")
	for _, l := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", l.ID, l.Kind, cmp.Or(l.Ingredient, "-"), calibration(l, now), cleaning(l, now), lineState(l))
	}
	return flush(w)
}

func lineState(l api.Line) string {
	if l.LockedOut != "" {
		return "locked out: " + words(l.LockedOut)
	}
	return "ok"
}

func calibration(l api.Line, now time.Time) string {
	switch c := l.Calibration; {
	case !calibrated(l):
		return "-"
	case c == nil:
		return "never: by its name plate"
	case !c.Expires.IsZero() && now.After(c.Expires):
		return fmt.Sprintf("%.4f, expired %s", c.Factor, day(c.Expires))
	default:
		return fmt.Sprintf("%.4f, due %s", c.Factor, day(c.Expires))
	}
}

func cleaning(l api.Line, now time.Time) string {
	switch {
	case l.CleanDue == nil && l.Cleaned == nil:
		return "-"
	case l.CleanDue == nil:
		return "done " + day(*l.Cleaned)
	case now.After(*l.CleanDue):
		return "due since " + day(*l.CleanDue)
	default:
		return "due " + day(*l.CleanDue)
	}
}

func printLine(out io.Writer, l api.Line, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, value) } // errors surface in Flush
	row("line", l.ID+", "+l.Kind)
	if l.Ingredient != "" {
		row("ingredient", l.Ingredient)
	}
	row("state", lineState(l))
	row("cleaning", cleaning(l, now))
	if !calibrated(l) {
		return flush(w)
	}
	if l.Calibration == nil {
		row("calibration", "never: it goes by its name plate")
		return flush(w)
	}
	for i, c := range append([]api.Calibration{*l.Calibration}, l.History...) {
		name := []string{"calibration", "before"}[min(i, 1)]
		row(name, fmt.Sprintf("factor %.4f, %s by %s%s", c.Factor, day(c.At), c.Person, map[bool]string{true: ", due " + day(c.Expires)}[i == 0]))
		for _, p := range c.Points {
			row("", fmt.Sprintf("  at %s: %d counted, %s measured", rate(l, p.Rate), p.Counted, ml(p.Measured)))
		}
	}
	return flush(w)
}

// rate is what a calibration point was measured at: µL/s, or strokes a second of a pump.
func rate(l api.Line, r float64) string {
	if l.Kind == "dosing-pump" {
		return fmt.Sprintf("%.3g strokes/s", r)
	}
	return fmt.Sprintf("%.1f ml/s", r/1000)
}

func flush(w *tabwriter.Writer) error {
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// day is a date for a person; a time that was never set is a dash.
func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02")
}

// care sums up the lines for status, one sentence each; nothing when all is well.
func care(all []api.Line, now time.Time) []string {
	var never, expired, dirty, locked []string
	for _, l := range all {
		switch {
		case !calibrated(l):
		case l.Calibration == nil:
			never = append(never, l.ID)
		case !l.Calibration.Expires.IsZero() && now.After(l.Calibration.Expires):
			expired = append(expired, l.ID)
		}
		if l.CleanDue != nil && now.After(*l.CleanDue) {
			dirty = append(dirty, l.ID)
		}
		if l.LockedOut != "" {
			locked = append(locked, l.ID)
		}
	}
	var out []string
	for _, c := range []struct {
		what string
		ids  []string
	}{{"locked out", locked}, {"to be cleaned", dirty}, {"calibration expired", expired}, {"never calibrated", never}} {
		if len(c.ids) > 0 {
			const most = 6
			ids := strings.Join(c.ids[:min(most, len(c.ids))], ", ")
			if n := len(c.ids) - most; n > 0 {
				ids += fmt.Sprintf(" and %d more", n)
			}
			out = append(out, c.what+": "+ids)
		}
	}
	return out
}
