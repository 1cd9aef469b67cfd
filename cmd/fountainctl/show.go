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
	"fountain/agent/maintenance"
	"fountain/agent/pour"
	"fountain/internal/problem"
	"fountain/internal/units"
)

func (t *tool) statusCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how the unit is: state, alarms, store, cloud, setup, care",
		Long:  `status says how the unit is. What only the service socket tells (setup, the care of lines) is left out elsewhere.`,
		Example: `  fountainctl status
  fountainctl status --json | jq -r .unit`,
		Args: args(cobra.NoArgs),
		RunE: t.read(func(ctx context.Context, c *api.Client, _ []string) error {
			s, err := c.Status(ctx)
			if err != nil {
				return err
			}
			full := fullStatus{Status: s}
			// Older agents and the consumer's socket do not tell the rest; the status is good without it.
			if setup, err := c.Setup(ctx); err == nil {
				full.Setup = &setup
			}
			if lines, err := c.Lines(ctx); err == nil {
				full.Care = care(lines, time.Now())
			}
			if t.json {
				return t.printJSON(full)
			}
			return printStatus(t.out, full, time.Now())
		}),
	}
	t.jsonFlag(c, "the status as JSON")
	return c
}

// fullStatus is status --json: the unit's status and what the service socket adds.
type fullStatus struct {
	api.Status
	Setup *api.Setup `json:"setup,omitempty"`
	Care  []string   `json:"care,omitempty"` // what lines need, one sentence each
}

func printStatus(out io.Writer, s fullStatus, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, value) } // errors surface in Flush
	row("unit", because(s.Unit, s.Reason))
	row("thing", cmp.Or(s.Thing, "not provisioned yet"))
	row("serial", cmp.Or(s.Serial, "none"))
	row("rig", s.Rig)
	row("version", s.Version)
	row("up", now.Sub(s.StartedAt).Round(time.Second).String())
	row("screen", map[bool]string{true: "alive", false: "not seen"}[s.UIAlive])
	row("master", s.Master)
	row("store", fmt.Sprintf("log %s, last %d, acknowledged %d, %s", s.Store.Log, s.Store.Last, s.Store.Acked, count(s.Store.Segments, "segment")))
	if s.Store.Damaged > 0 {
		row("", count(s.Store.Damaged, "damaged file")+" kept aside")
	}
	cloud := s.Cloud.State
	if s.Cloud.Endpoint != "" {
		cloud += ", " + s.Cloud.Endpoint
	}
	row("cloud", cloud)
	if len(s.Cloud.Endpoints) > 1 {
		row("", "endpoints, best first: "+strings.Join(s.Cloud.Endpoints, ", "))
	}
	if u := s.Cloud.ValidUntil; u != nil {
		row("", "certificate valid until "+u.Local().Format("2006-01-02"))
	}
	if s.Cloud.Backlog > 0 {
		row("", count(int(s.Cloud.Backlog), "pour")+" not acknowledged")
	}
	if s.Cloud.LastErr != "" {
		row("", "last error: "+s.Cloud.LastErr)
	}
	if s.Setup != nil && !s.Setup.Done {
		var left []string
		for _, st := range s.Setup.Steps {
			if st.State != stepDone {
				left = append(left, cmp.Or(stepTitles[st.ID], st.ID))
			}
		}
		row("setup", "left: "+strings.Join(left, ", ")+": fountainctl setup")
	}
	for i, c := range s.Care {
		row([]string{"care", ""}[min(i, 1)], c)
	}
	if len(s.Alarms) == 0 {
		row("alarms", "none")
	}
	for i, a := range s.Alarms {
		row([]string{"alarms", ""}[min(i, 1)], alarmLine(a))
	}
	return flush(w)
}

func alarmLine(a api.Alarm) string {
	line := a.Severity + ": " + a.What
	if a.Scope != "" && a.Scope != "unit" {
		line += " (" + a.Scope + ")"
	}
	if a.Remedy != "" {
		line += ": " + a.Remedy
	}
	return line
}

// brandRow is a row of brands --json. Scripts rely on it.
type brandRow struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Available bool          `json:"available"`
	Why       string        `json:"why"`
	Beverages []beverageRow `json:"beverages"`
}

type beverageRow struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Available bool   `json:"available"`
	Why       string `json:"why"`
}

func (t *tool) brandsCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "brands [BRAND]",
		Short: "List the brands, or the beverages of one, and what can be poured",
		Example: `  fountainctl brands
  fountainctl brands kolvane
  fountainctl brands --json | jq -r '.[] | select(.available) | .id'`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: t.read(func(ctx context.Context, c *api.Client, args []string) error {
			all, err := c.Brands(ctx)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if all, err = onlyBrand(all, args[0]); err != nil {
					return err
				}
			}
			if t.json {
				return t.printJSON(brandRows(all))
			}
			return printBrands(t.out, all, len(args) == 1)
		}),
	}
	t.jsonFlag(c, "[{id, name, available, why, beverages}]")
	return c
}

func onlyBrand(all []api.Brand, id string) ([]api.Brand, error) {
	for _, b := range all {
		if string(b.ID) == id {
			return []api.Brand{b}, nil
		}
	}
	return nil, &problem.Problem{
		Code: problem.CodeNotFound, Where: id, What: "there is no such brand", Remedy: "see fountainctl brands",
	}
}

func brandRows(all []api.Brand) []brandRow {
	rows := make([]brandRow, len(all)) // never nil: [] for scripts
	for i, b := range all {
		bevs := make([]beverageRow, len(b.Beverages))
		for j, v := range b.Beverages {
			bevs[j] = beverageRow{string(v.ID), v.Name, v.Available, v.Why}
		}
		rows[i] = brandRow{string(b.ID), b.Name, b.Available, b.Why, bevs}
	}
	return rows
}

func printBrands(out io.Writer, all []api.Brand, beverages bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	pours := func(ok bool, why string) string {
		if ok {
			return "pours"
		}
		return words(cmp.Or(why, "not available"))
	}
	if beverages {
		fmt.Fprintln(w, "BEVERAGE\tNAME\tSTATE")
		for _, b := range all {
			for _, v := range b.Beverages {
				fmt.Fprintf(w, "%s\t%s\t%s\n", v.ID, v.Name, pours(v.Available, v.Why))
			}
		}
	} else {
		fmt.Fprintln(w, "BRAND\tNAME\tBEVERAGES\tSTATE")
		for _, b := range all {
			n := 0
			for _, v := range b.Beverages {
				if v.Available {
					n++
				}
			}
			fmt.Fprintf(w, "%s\t%s\t%d of %d\t%s\n", b.ID, b.Name, n, len(b.Beverages), pours(b.Available, b.Why))
		}
	}
	return flush(w)
}

// terse are the codes that say nothing without their underscores either.
var terse = map[string]string{
	maintenance.ReasonFound:       "it found what has to be mended",
	maintenance.ReasonNoTemp:      "the sensor does not tell the temperature",
	maintenance.ReasonRate:        "the flow is not what the line gives",
	maintenance.ReasonFlow:        "water where none may flow",
	maintenance.ReasonAbsurd:      "the factor is far from the name plate",
	maintenance.ReasonRatio:       "the ratio is off",
	pour.ReasonHardware:           "a part did not obey",
	pour.ReasonJournal:            "it could not be recorded",
	pour.ReasonRigLost:            "the hardware did not answer",
	maintenance.ReasonSlow:        "the valve is too slow",
	maintenance.ReasonNo:          "the answer was no",
	maintenance.ReasonDisagree:    "the runs do not agree",
	maintenance.ReasonUnconfirmed: "strokes are not confirmed",
}

// words turns a code into words: out_of_order → out of order.
func words(code string) string {
	if s, ok := terse[code]; ok {
		return s
	}
	return strings.ReplaceAll(code, "_", " ")
}

func because(state, reason string) string {
	if reason == "" {
		return words(state)
	}
	return words(state) + ": " + words(reason)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ml formats microlitres for a person.
func ml(ul int64) string { return units.Volume(ul).String() }
