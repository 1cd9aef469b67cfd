package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/problem"
)

// operation describes one command that runs operations.
type operation struct {
	kind, use, short, long, example string
	lines                           cobra.PositionalArgs
	recipe, dry, measured           bool
	warn                            string // asked here, when the unit itself asks nothing before something flows
}

const shared = `

On a terminal it shows every step, asks what it has to know and says what happens; --yes and the other flags answer in
your place. The lease is held from here: Ctrl-C, a lost terminal or a killed fountainctl shuts everything at once.
Several lines are done one after the other; the first that is not done ends the command.`

func (t *tool) opCmds() []*cobra.Command {
	ops := []operation{
		{
			kind: api.OpPrime, use: "prime LINE…", short: "Fill a line until no bubble comes",
			long: "prime runs a line until what comes is free of bubbles: after a cartridge change, or when a line was emptied.",
			example: `  fountainctl prime s01
  fountainctl prime s01 s02 --yes`,
			lines: cobra.MinimumNArgs(1),
		},
		{
			kind: api.OpPurge, use: "purge LINE…", short: "Empty a line",
			long: "purge runs a line until nothing comes any more: before a cartridge changes its ingredient, or before storage.",
			example: `  fountainctl purge s07
  fountainctl purge s07 --yes --json | jq .flowed_ul`,
			lines: cobra.MinimumNArgs(1),
		},
		{
			kind: api.OpRinse, use: "rinse [LINE…]", short: "Send water through the nozzle",
			long: "rinse sends water through the nozzle, or through the lines you name.",
			example: `  fountainctl rinse
  fountainctl rinse sparkling --yes`,
			lines: cobra.ArbitraryArgs, warn: "Water flows into the nozzle: is a jug below?",
		},
		{
			kind: api.OpClean, use: "clean [LINE…]", short: "Clean or sanitise by a recipe; each step is proven",
			long: `clean runs a cleaning or sanitising recipe. A step counts only when flow, volume, temperature and dwell agree, and the
line stays locked out until its final rinse is proven by the meter: no PIN shortens that. Without a LINE it is the nozzle.`,
			example: `  fountainctl clean
  fountainctl clean still
  fountainctl clean still --recipe line-sanitise --yes
  fountainctl clean s01`,
			lines: cobra.ArbitraryArgs, recipe: true,
		},
		{
			kind: api.OpCalibrate, use: "calibrate LINE…", short: "Measure a flow meter or a dosing pump against a cup or a scale",
			long: `calibrate runs a line several times and asks each time how much came, read from a measuring cup or a scale. What it finds
holds for the next pour; the history is in fountainctl lines, and --undo goes back to the calibration before.

A factor far from the name plate is refused unless an expert accepts it: answer the question with "expert", or give --expert.`,
			example: `  fountainctl calibrate flow_still
  fountainctl calibrate flow_still --yes --measured 201.5 --measured 499
  fountainctl calibrate --undo flow_still`,
			lines: cobra.MinimumNArgs(1), measured: true,
		},
		{
			kind: api.OpSelfTest, use: "selftest [LINE…]", short: "Check every channel: current, flow, latency",
			long: `selftest checks every valve, meter and pump, or those you name, and says what each measured. With --dry nothing flows: it
reads what can be read without opening anything, and may run from afar.`,
			example: `  fountainctl selftest --dry
  fountainctl selftest --yes
  fountainctl selftest still --json | jq '.evidence[] | select(.ok|not)'`,
			lines: cobra.ArbitraryArgs, dry: true,
		},
		{
			kind: api.OpBrix, use: "brix BEVERAGE…", short: "Check the ratio of water and syrup",
			long: `brix doses water and syrup into a split cup and asks how much came on each side. Name a beverage, or the line of a syrup.
When the ratio is off it offers to correct the pump's calibration.`,
			example: `  fountainctl brix kolvane.zero
  fountainctl brix kolvane.zero --yes --measured 120 --measured 24`,
			lines: cobra.MinimumNArgs(1), measured: true,
		},
		{
			kind: api.OpAgitate, use: "agitate AGITATOR…", short: "Move cartridges that settle",
			long:    "agitate runs an agitator of the rig for a while: --set s=20 says how many seconds.",
			example: `  fountainctl agitate stirrer --set s=20`,
			lines:   cobra.MinimumNArgs(1), warn: "The agitator moves: are all hands out?",
		},
	}
	cmds := make([]*cobra.Command, len(ops))
	for i, o := range ops {
		cmds[i] = t.opCmd(o)
	}
	return cmds
}

func (t *tool) opCmd(o operation) *cobra.Command {
	var given answers
	var recipe string
	var undo, dry bool
	var params []string
	c := &cobra.Command{Use: o.use, Short: o.short, Long: o.long + shared, Example: o.example, Args: args(o.lines)}
	c.PreRunE = func(cmd *cobra.Command, lines []string) error {
		for _, n := range given.measured {
			if !(n > 0) || n > 1e6 {
				return fmt.Errorf("that is no measurement: --measured %v: give what the cup or the scale says; see %s --help", n, cmd.CommandPath())
			}
		}
		seen := map[string]bool{}
		for _, l := range lines {
			switch {
			case strings.TrimSpace(l) == "":
				return fmt.Errorf("a line without a name: %q: see fountainctl lines", l)
			case seen[l]:
				return fmt.Errorf("the line is named twice: %s: name it once", l)
			}
			seen[l] = true
		}
		if undo && (given.yes || given.expert || len(given.measured) > 0) {
			return errors.New("nothing is measured here: --undo with --yes, --expert or --measured: leave one out; see fountainctl calibrate --help")
		}
		_, err := parseParams(params)
		return err
	}
	c.RunE = t.do(func(ctx context.Context, c *api.Client, lines []string) error {
		if undo {
			return t.undo(ctx, c, lines)
		}
		person, err := t.who()
		if err != nil {
			return err
		}
		set, _ := parseParams(params) // checked before
		if recipe != "" {
			set["recipe"] = recipe
		}
		if dry {
			set["dry"] = "true"
		}
		if len(lines) == 0 {
			lines = []string{""}
		}
		if o.warn != "" && !given.yes {
			yes, err := t.terminal().yes(ctx, o.warn)
			switch {
			case errors.Is(err, errNobody):
				return unanswered(o.warn, "--yes")
			case err != nil:
				return err
			case !yes:
				return &problem.Problem{Code: problem.CodeConflict, Where: o.kind, What: "nothing was started", Remedy: "start it again when you are ready"}
			}
		}
		for _, l := range lines {
			if err := t.work(ctx, c, api.StartOp{Kind: o.kind, Line: l, Person: person, Params: set}, &given); err != nil {
				return suggestLine(ctx, c, l, err)
			}
		}
		if n := len(given.measured); n > 0 {
			fmt.Fprintf(t.err, "fountainctl: %s of --measured not asked for\n", count(n, "figure"))
		}
		return nil
	})
	f := c.Flags()
	f.BoolVar(&given.yes, "yes", false, "answer every question with yes")
	f.StringArrayVar(&params, "set", nil, "a further parameter of the operation, `NAME=VALUE` (repeatable)")
	if o.recipe {
		f.StringVar(&recipe, "recipe", "", "the recipe's `NAME` (default: the unit's cleaning recipe)")
	}
	if o.dry {
		f.BoolVar(&dry, "dry", false, "open nothing")
	}
	if o.measured {
		f.Float64SliceVar(&given.measured, "measured", nil, "what the cup or the scale says, in the unit the question names, `ML` (repeatable, in the order of the questions)")
		f.BoolVar(&given.expert, "expert", false, "accept a result outside the usual range")
	}
	if o.kind == api.OpCalibrate {
		f.BoolVar(&undo, "undo", false, "go back to the calibration before the present one")
	}
	t.personFlag(c)
	t.jsonFlag(c, "each operation as JSON, one after the other")
	return c
}

func parseParams(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, s := range list {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("that is no parameter: --set %q: write NAME=VALUE", s)
		}
		out[name] = value
	}
	return out, nil
}

// suggestLine says which lines there are when one is unknown.
func suggestLine(ctx context.Context, c *api.Client, line string, err error) error {
	var p *problem.Problem
	if line == "" || !errors.As(err, &p) || p.Code != problem.CodeNotFound {
		return err
	}
	if strings.Contains(line, ".") || strings.Contains(p.Remedy, "fountainctl brands") { // a beverage
		return suggest(ctx, c, beverage.ID(line), 0, err)
	}
	all, lerr := c.Lines(ctx)
	if lerr != nil || len(all) == 0 {
		return err
	}
	var near []string
	for _, l := range all {
		if len(line) > 1 && strings.Contains(l.ID, line) || strings.Contains(line, l.ID) || len(line) > 2 && strings.Contains(l.Ingredient, line) {
			near = append(near, l.ID)
		}
	}
	with := *p
	with.Remedy = "see fountainctl lines"
	if len(near) > 0 {
		with.Remedy = "did you mean " + strings.Join(near[:min(5, len(near))], ", ") + "?"
	}
	return &with
}

func (t *tool) undo(ctx context.Context, c *api.Client, lines []string) error {
	person, err := t.who()
	if err != nil {
		return err
	}
	for _, l := range lines {
		now, err := c.UndoCalibration(ctx, l, person)
		if err != nil {
			return suggestLine(ctx, c, l, err)
		}
		if t.json {
			if err := t.printJSON(now); err != nil {
				return err
			}
			continue
		}
		if now.Calibration == nil {
			fmt.Fprintf(t.out, "%s: by its name plate again\n", l)
			continue
		}
		fmt.Fprintf(t.out, "%s: factor %.4f again, of %s by %s\n", l, now.Calibration.Factor, day(now.Calibration.At), now.Calibration.Person)
	}
	return nil
}
