package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// stepTitles are the wizard's steps in a person's words.
var stepTitles = map[string]string{
	api.SetupPIN: "service PIN", api.SetupLanguage: "language", api.SetupZone: "time zone", api.SetupNetwork: "network",
	api.SetupClaim: "claim", api.SetupRig: "rig check", api.SetupCalibrate: "calibration",
}

// wizard is one run of setup.
type wizard struct {
	t      *tool
	c      *api.Client
	person string
	term   *terminal
	given  answers

	pinFile, language, zone        string
	network, claim, rig, calibrate bool
}

func (t *tool) setupCmd() *cobra.Command {
	w := &wizard{t: t}
	var status bool
	c := &cobra.Command{
		Use:   "setup",
		Short: "Set a unit up: PIN, language, zone, network, claim, rig check, calibration",
		Long: `setup leads through the first start of a unit. On a terminal it asks for each step that is open; every answer is kept at
once, so you may leave with Ctrl-C and go on later. With flags it does just the steps you name and asks nothing else.

A unit pours without its setup: the steps make it safe to serve, exact and visible to the cloud.
The PIN never stands on the command line, where other users can read it: name a file, or - for standard input.`,
		Example: `  fountainctl setup
  fountainctl setup --status
  fountainctl setup --pin-file /run/pin --language de --zone Europe/Berlin --network --claim --rig
  fountainctl setup --calibrate
  fountainctl setup --json | jq -r '.steps[] | select(.state != "done") | .id'`,
		Args: args(cobra.NoArgs),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			for _, f := range []string{"pin-file", "language", "zone"} {
				if cmd.Flags().Changed(f) && cmd.Flag(f).Value.String() == "" {
					return fmt.Errorf("no value given: --%s: leave it out, or see fountainctl setup --help", f)
				}
			}
			if status && w.named() {
				return errors.New("nothing is done with --status: leave it out, or the steps; see fountainctl setup --help")
			}
			return nil
		},
		RunE: t.do(func(ctx context.Context, c *api.Client, _ []string) error {
			w.c, w.term = c, t.terminal()
			if status || t.json && !w.named() {
				s, err := c.Setup(ctx)
				if err != nil {
					return err
				}
				return w.show(s)
			}
			var err error
			if w.person, err = t.who(); err != nil {
				return err
			}
			if w.named() {
				return w.byFlags(ctx)
			}
			return w.guided(ctx)
		}),
	}
	f := c.Flags()
	f.BoolVar(&status, "status", false, "only show how far it is")
	f.StringVar(&w.pinFile, "pin-file", "", "take the new PIN from the first line of `FILE`; - is standard input")
	f.StringVar(&w.language, "language", "", "language of the screen, a `TAG` such as de or pt-BR")
	f.StringVar(&w.zone, "zone", "", "time zone of the venue, an IANA `NAME` such as Europe/Berlin")
	f.BoolVar(&w.network, "network", false, "check the way to the cloud")
	f.BoolVar(&w.claim, "claim", false, "wait until the cloud knows the unit")
	f.BoolVar(&w.rig, "rig", false, "run the dry self-test: nothing flows")
	f.BoolVar(&w.calibrate, "calibrate", false, "calibrate what goes by its name plate")
	f.BoolVar(&w.given.yes, "yes", false, "answer every question of an operation with yes")
	f.Float64SliceVar(&w.given.measured, "measured", nil, "a measurement, `ML` (repeatable, in the order of the questions)")
	t.personFlag(c)
	t.jsonFlag(c, "the steps as JSON")
	return c
}

// named tells whether a flag names a step.
func (w *wizard) named() bool {
	return w.pinFile != "" || w.language != "" || w.zone != "" || w.network || w.claim || w.rig || w.calibrate
}

func find(s api.Setup, id string) api.SetupStep {
	for _, st := range s.Steps {
		if st.ID == id {
			return st
		}
	}
	return api.SetupStep{ID: id, State: stepFailed, What: "the unit does not know this step", Remedy: "install a newer agent"}
}

// show prints every step.
func (w *wizard) show(s api.Setup) error {
	if w.t.json {
		return w.t.printJSON(s)
	}
	for i, st := range s.Steps {
		w.line(i, len(s.Steps), st)
	}
	left := 0
	for _, st := range s.Steps {
		if st.State != stepDone {
			left++
		}
	}
	if left == 0 {
		fmt.Fprintln(w.t.out, "everything is set up")
	} else {
		fmt.Fprintf(w.t.out, "%s left: fountainctl setup\n", count(left, "step"))
	}
	return nil
}

// line prints one step; what is too long for the terminal goes below.
func (w *wizard) line(i, n int, st api.SetupStep) {
	const indent = 6
	fmt.Fprintf(w.t.out, "%d/%d  %-6s  %s\n", i+1, n, st.State, cmp.Or(stepTitles[st.ID], st.ID))
	w.below(st.What, indent)
	if st.State != stepDone {
		w.below(st.Remedy, indent)
	}
}

func (w *wizard) below(text string, indent int) {
	if text == "" {
		return
	}
	for _, l := range wrap(text, width(w.t.out)-indent) {
		fmt.Fprintf(w.t.out, "%*s%s\n", indent, "", l)
	}
}

// byFlags does the steps that flags name, in the wizard's order.
func (w *wizard) byFlags(ctx context.Context) error {
	type step struct {
		id    string
		named bool
		do    func(context.Context) error
	}
	value := func(id, v string) func(context.Context) error {
		return func(ctx context.Context) error { return w.answer(ctx, id, v) }
	}
	steps := []step{
		{api.SetupPIN, w.pinFile != "", func(ctx context.Context) error {
			pin, err := w.readPIN(ctx)
			if err != nil {
				return err
			}
			return w.answer(ctx, api.SetupPIN, pin)
		}},
		{api.SetupLanguage, w.language != "", value(api.SetupLanguage, w.language)},
		{api.SetupZone, w.zone != "", value(api.SetupZone, w.zone)},
		{api.SetupNetwork, w.network, value(api.SetupNetwork, "")},
		{api.SetupClaim, w.claim, value(api.SetupClaim, "")},
		{api.SetupRig, w.rig, w.checkRig},
		{api.SetupCalibrate, w.calibrate, w.calibrateAll},
	}
	var undone *problem.Problem
	for _, st := range steps {
		if !st.named {
			continue
		}
		if err := st.do(ctx); err != nil {
			return err
		}
		s, err := w.c.Setup(ctx)
		if err != nil {
			return err
		}
		if now := find(s, st.id); now.State != stepDone && undone == nil {
			undone = &problem.Problem{
				Code: problem.CodeConflict, Where: stepTitles[st.id], What: "this step is not done: " + now.What, Remedy: now.Remedy, Retry: true,
			}
		}
	}
	s, err := w.c.Setup(ctx)
	if err != nil {
		return err
	}
	if err := w.show(s); err != nil {
		return err
	}
	if undone != nil {
		return undone
	}
	return nil
}

func (w *wizard) answer(ctx context.Context, id, value string) error {
	_, err := w.c.AnswerSetup(ctx, id, api.SetupAnswer{Value: value, Person: w.person})
	return err
}

// readPIN takes the PIN from a file.
func (w *wizard) readPIN(ctx context.Context) (string, error) {
	if w.pinFile == "-" {
		pin, err := w.term.ask(ctx, "")
		if errors.Is(err, errNobody) {
			return "", &problem.Problem{Code: problem.CodeBadRequest, Where: "--pin-file -", What: "standard input holds no PIN", Remedy: "pipe one in"}
		}
		return pin, err
	}
	f, err := os.Open(w.pinFile)
	if err != nil {
		return "", &problem.Problem{Code: problem.CodeBadRequest, Where: "--pin-file " + w.pinFile, What: fmt.Sprintf("cannot read the PIN: %v", errors.Unwrap(err)), Remedy: "name a file that holds it"}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return "", fmt.Errorf("read the PIN: %w", err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	if first = strings.TrimSpace(first); first == "" {
		return "", &problem.Problem{Code: problem.CodeBadRequest, Where: "--pin-file " + w.pinFile, What: "the file's first line is empty", Remedy: "write the PIN into it"}
	}
	return first, nil
}

// operate runs an operation inside the wizard.
func (w *wizard) operate(ctx context.Context, req api.StartOp) error {
	if w.t.json {
		o, err := w.t.runOp(ctx, w.c, req, &w.given)
		if err != nil {
			return err
		}
		return outcome(o)
	}
	return w.t.work(ctx, w.c, req, &w.given)
}

func (w *wizard) checkRig(ctx context.Context) error {
	return w.operate(ctx, api.StartOp{Kind: api.OpSelfTest, Person: w.person, Params: map[string]string{"dry": "true"}})
}

// uncalibrated lists the lines that go by their name plate.
func (w *wizard) uncalibrated(ctx context.Context) ([]string, error) {
	all, err := w.c.Lines(ctx)
	var ids []string
	for _, l := range all {
		if calibrated(l) && l.Calibration == nil {
			ids = append(ids, l.ID)
		}
	}
	return ids, err
}

func (w *wizard) calibrateAll(ctx context.Context) error {
	ids, err := w.uncalibrated(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := w.operate(ctx, api.StartOp{Kind: api.OpCalibrate, Line: id, Person: w.person}); err != nil {
			return err
		}
	}
	return nil
}
