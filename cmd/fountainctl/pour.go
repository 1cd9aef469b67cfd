package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/problem"
	"fountain/internal/units"
	"fountain/sync/wire"
)

func (t *tool) pourCmd() *cobra.Command {
	var millilitres float64
	c := &cobra.Command{
		Use:   "pour BEVERAGE --ml N",
		Short: "Pour a measured volume now, holding the lease from this terminal",
		Long: `pour opens the valves for N ml of BEVERAGE and holds the lease from this terminal: Ctrl-C, a lost
connection or a killed fountainctl closes them. It prints what flowed, also when you stop it.

A cup has to stand under the nozzle. Interlocks apply as for every pour; what they refuse ends with exit code 3.`,
		Example: `  fountainctl pour kolvane.zero --ml 240
  fountainctl pour kolvane.zero --ml 240 --json | jq .counted_ul`,
		Args: args(cobra.ExactArgs(1)),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !cmd.Flags().Changed("ml"):
				return errors.New("how much: --ml is missing: see fountainctl pour --help")
			case !(millilitres > 0) || millilitres > 1e6: // also not a number
				return fmt.Errorf("that is no volume: --ml %v: give millilitres, more than 0; see fountainctl pour --help", millilitres)
			}
			return nil
		},
		RunE: t.do(func(ctx context.Context, c *api.Client, args []string) error {
			return t.pour(ctx, c, beverage.ID(args[0]), millilitres)
		}),
	}
	c.Flags().Float64Var(&millilitres, "ml", 0, "volume in millilitres (`N`)")
	t.jsonFlag(c, "the pour's record as JSON")
	return c
}

func (t *tool) pour(ctx context.Context, c *api.Client, id beverage.ID, millilitres float64) error {
	req := api.StartPour{
		Beverage: id, TargetUL: int64(math.Round(millilitres * float64(units.Millilitre))),
		Mode: api.ModePortion, Source: wire.SourceService,
	}
	line := liveLine{out: t.err, on: isTerminal(t.err)}
	p, err := c.Hold(ctx, req, line.show)
	line.clear()
	if err != nil {
		return suggest(ctx, c, id, millilitres, err)
	}
	if t.json {
		if p.Record == nil {
			return notRecorded(p)
		}
		if err := t.printJSON(p.Record); err != nil {
			return err
		}
	} else {
		printPour(t.out, p)
	}
	switch wire.Outcome(p.Outcome) {
	case wire.Completed, wire.Stopped: // letting go is what Ctrl-C is for
		if p.Record == nil {
			return notRecorded(p)
		}
		return nil
	}
	return &problem.Problem{
		Code: problem.CodeConflict, Where: string(p.Beverage), What: "the pour was " + p.Outcome + ": " + words(cmp.Or(p.Reason, "no reason given")),
		Remedy: "see fountainctl status",
	}
}

func notRecorded(p api.Pour) error {
	return &problem.Problem{
		Code: problem.CodeInternal, Where: p.ID, What: "the pour ended but its record could not be stored", Remedy: "see fountainctl status",
	}
}

// suggest adds what could have been meant to an unknown beverage, and calls the volume what it is called here.
func suggest(ctx context.Context, c *api.Client, id beverage.ID, millilitres float64, err error) error {
	var p *problem.Problem
	if errors.As(err, &p) && p.Where == "target_ul" {
		with := *p
		with.Where = fmt.Sprintf("--ml %g", millilitres)
		return &with
	}
	if !errors.As(err, &p) || p.Code != problem.CodeNotFound || !strings.HasPrefix(p.Where, string(id)) {
		return err
	}
	brands, berr := c.Brands(ctx)
	if berr != nil {
		return err
	}
	stem, _, _ := strings.Cut(string(id), ".")
	for _, b := range brands {
		if string(b.ID) != stem && !strings.EqualFold(b.Name, stem) {
			continue
		}
		var ids []string
		for _, v := range b.Beverages {
			ids = append(ids, string(v.ID))
		}
		with := *p
		with.Remedy = b.Name + " has " + strings.Join(ids, ", ")
		return &with
	}
	return err
}

func printPour(out io.Writer, p api.Pour) {
	fmt.Fprintf(out, "%s: %s of %s %s", p.Beverage, ml(p.PouredUL), ml(p.TargetUL), cmp.Or(p.Outcome, "poured"))
	if p.Reason != "" && p.Reason != p.Outcome {
		fmt.Fprintf(out, " (%s)", words(p.Reason))
	}
	fmt.Fprintln(out)
	if p.Seq > 0 {
		fmt.Fprintf(out, "recorded as %s, number %d\n", p.ID, p.Seq)
	}
	var rec wire.Record
	if b, err := json.Marshal(p.Record); err == nil && json.Unmarshal(b, &rec) == nil {
		for _, part := range rec.Parts {
			fmt.Fprintf(out, "  %-24s %9s  %s\n", part.Ingredient, ml(part.UL), part.How)
		}
	}
}

// liveLine draws one line again and again on a terminal; elsewhere it is silent.
type liveLine struct {
	out  io.Writer
	on   bool
	wide int
}

func (l *liveLine) show(p api.Pour) {
	if !l.on {
		return
	}
	const cells = 24
	full := 0
	if p.TargetUL > 0 {
		full = int(min(max(p.PouredUL, 0)*cells/p.TargetUL, cells))
	}
	s := fmt.Sprintf("%-8s [%s%s] %s of %s  Ctrl-C stops", p.Phase,
		strings.Repeat("█", full), strings.Repeat("·", cells-full), ml(p.PouredUL), ml(p.TargetUL))
	n := len([]rune(s))
	fmt.Fprintf(l.out, "\r%s%s", s, strings.Repeat(" ", max(0, l.wide-n)))
	l.wide = n
}

func (l *liveLine) clear() {
	if l.wide > 0 {
		fmt.Fprintf(l.out, "\r%s\r", strings.Repeat(" ", l.wide))
		l.wide = 0
	}
}
