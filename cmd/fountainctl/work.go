package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"fountain/agent/api"
	"fountain/agent/pour"
	"fountain/internal/problem"
)

// answers are what the flags of an operation answer in a person's place.
type answers struct {
	yes      bool
	expert   bool
	measured []float64
}

// crew is the person at one operation: it shows steps as they end, the present one as a live line, and puts the unit's
// questions to whoever sits there.
type crew struct {
	term    *terminal
	out     io.Writer      // for what the operation's steps came to
	given   *answers       // shared by the operations of one command: a figure is used once
	quiet   bool           // the final operation is printed as JSON
	printed map[int]string // by step: the state that was said
	last    asked          // what a flag has answered last
	told    bool           // what will come
	step    int            // the present one
	since   time.Time      // it began
}

// asked is a question at a step.
type asked struct {
	step int
	what string
}

var _ api.Crew = (*crew)(nil)

// Show implements api.Crew.
func (w *crew) Show(o api.Op) {
	if !w.told {
		w.told = true
		w.plan(o)
	}
	if o.Step != w.step || w.since.IsZero() {
		w.step, w.since = o.Step, time.Now()
	}
	for i, s := range o.Steps {
		if (s.State == stepDone || s.State == stepFailed) && w.printed[i] != s.State {
			w.printed[i] = s.State
			if !w.quiet {
				w.term.print(w.out, stepLine(i, len(o.Steps), s))
			}
		}
	}
	if o.Outcome == "" && o.Ask == nil {
		w.term.draw(liveStep(o, time.Since(w.since)))
	} else {
		w.term.clear()
	}
}

// plan says what will come, to a person who is asked: whoever says --yes knows.
func (w *crew) plan(o api.Op) {
	if w.quiet || w.given.yes || len(o.Steps) < 2 {
		return
	}
	names := make([]string, len(o.Steps))
	for i, s := range o.Steps {
		names[i] = s.Name
	}
	for _, l := range wrap(count(len(names), "step")+": "+strings.Join(names, ", "), width(w.term.out)-2) {
		w.term.say("  %s", l)
	}
}

// States of a step, as the unit names them.
const (
	stepDone   = "done"
	stepFailed = "failed"
)

// proofWords is what a step came to: a sentence, or the code of why it failed.
func proofWords(s api.OpStep) string {
	if s.State == stepFailed && !strings.Contains(s.Proof, " ") {
		return words(s.Proof)
	}
	return s.Proof
}

func stepLine(i, n int, s api.OpStep) string {
	line := fmt.Sprintf("  %*d/%d  %-6s  %s", len(strconv.Itoa(n)), i+1, n, s.State, s.Name)
	if s.Proof != "" {
		line += ": " + proofWords(s)
	}
	return line
}

// liveStep is what happens now, figures first, so that a narrow terminal cuts words. A step that takes its time says how
// long it has.
func liveStep(o api.Op, takes time.Duration) string {
	line := ml(o.FlowedUL)
	if s := int(takes.Seconds()); s >= 5 {
		line = fmt.Sprintf("%d:%02d  %s", s/60, s%60, line)
	}
	if len(o.Steps) > 0 {
		line = fmt.Sprintf("  %d/%d  %s", min(o.Step+1, len(o.Steps)), len(o.Steps), line)
	}
	return line + "  " + o.Say + "  (Ctrl-C stops)"
}

// Answer implements api.Crew: flags first, then the person.
func (w *crew) Answer(ctx context.Context, o api.Op, ask api.Ask) (api.Answer, error) {
	if ask.Kind == api.AskNumber {
		return w.number(ctx, o, ask)
	}
	if w.given.yes {
		q := asked{o.Step, ask.What}
		if w.last == q { // yes did not make it so
			return api.Answer{}, &problem.Problem{
				Code: problem.CodeUnsafe, Where: strings.TrimSpace(o.Kind + " " + o.Line), What: "the unit waits for something that --yes does not do",
				Remedy: ask.What, Retry: true,
			}
		}
		w.last = q
		w.term.say("  %s yes", ask.What)
		return api.Answer{Yes: true, Expert: w.given.expert}, nil
	}
	w.tell(o, ask)
	for {
		s, err := w.term.ask(ctx, "  "+ask.What+" [y/N] ")
		switch {
		case errors.Is(err, errNobody):
			return api.Answer{}, unanswered(ask.What, "--yes")
		case err != nil:
			return api.Answer{}, err
		case strings.EqualFold(s, "expert"):
			return api.Answer{Yes: true, Expert: true}, nil
		}
		if yes, ok := yesNo(s); ok {
			return api.Answer{Yes: yes, Expert: yes && w.given.expert}, nil
		}
		w.term.say("  answer y or n")
	}
}

// tell says what the operation says, unless the question says the same.
func (w *crew) tell(o api.Op, ask api.Ask) {
	if o.Say != "" && o.Say != ask.What {
		for _, l := range wrap(o.Say, width(w.term.out)-2) {
			w.term.say("  %s", l)
		}
	}
}

func (w *crew) number(ctx context.Context, o api.Op, ask api.Ask) (api.Answer, error) {
	if len(w.given.measured) > 0 {
		n := w.given.measured[0]
		w.given.measured = w.given.measured[1:]
		w.term.say("  %s %g %s", ask.What, n, ask.Unit)
		return api.Answer{Yes: true, Number: n, Expert: w.given.expert}, nil
	}
	w.tell(o, ask)
	prompt := "  " + strings.TrimSuffix(ask.What, ".")
	if bounds := bounds(ask); bounds != "" {
		prompt += " (" + bounds + ")"
	}
	for {
		s, err := w.term.ask(ctx, prompt+": ")
		switch {
		case errors.Is(err, errNobody):
			flag := "--measured " + strings.ToUpper(cmp.Or(ask.Unit, "number"))
			if o.Kind == api.OpClean { // a thermometer is read when it is asked for, not before
				flag = ""
			}
			return api.Answer{}, unanswered(ask.What, flag)
		case err != nil:
			return api.Answer{}, err
		}
		n, ok := figure(s, ask.Unit)
		switch {
		case !ok:
			w.term.say("  that is no number; Ctrl-C stops")
		case ask.Max > ask.Min && (n < ask.Min || n > ask.Max) && !w.given.expert:
			w.term.say("  %g is not within %s; look again", n, bounds(ask))
		default:
			return api.Answer{Yes: true, Number: n, Expert: w.given.expert}, nil
		}
	}
}

func bounds(a api.Ask) string {
	if a.Max > a.Min {
		return strings.TrimSpace(fmt.Sprintf("%g to %g %s", a.Min, a.Max, a.Unit))
	}
	return a.Unit
}

// figure reads a number as people write it: 98, 98.5, 98,5, with or without its unit.
func figure(s, unit string) (float64, bool) {
	s = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), unit))
	if strings.Count(s, ",") == 1 && !strings.Contains(s, ".") {
		s = strings.Replace(s, ",", ".", 1)
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// Refused implements api.Crew: a person may try again, a flag cannot.
func (w *crew) Refused(_ api.Op, why error) error {
	if w.given.yes || !w.term.tty && !isTerminal(w.term.in) {
		return why
	}
	w.term.say("  %v", why)
	return nil
}

// runOp runs one operation to its end. The operation has no id when it never began.
func (t *tool) runOp(ctx context.Context, c *api.Client, req api.StartOp, given *answers) (api.Op, error) {
	term := t.terminal()
	defer term.clear()
	return c.Work(ctx, req, &crew{term: term, out: t.out, given: given, quiet: t.json, printed: map[int]string{}})
}

// work runs one operation to its end and prints it.
func (t *tool) work(ctx context.Context, c *api.Client, req api.StartOp, given *answers) error {
	if !t.json {
		fmt.Fprintln(t.out, heading(req))
	}
	o, err := t.runOp(ctx, c, req, given)
	if o.ID == "" {
		return err
	}
	if t.json {
		if perr := t.printJSON(o); perr != nil {
			return perr
		}
	} else if perr := t.printOp(o); perr != nil {
		return perr
	}
	if err != nil {
		return err
	}
	return outcome(o)
}

// dangers are the reasons that end an operation for safety.
var dangers = []string{pour.ReasonEStop, pour.ReasonLeak, pour.ReasonDoor, pour.ReasonInterlock, pour.ReasonGuardGone, pour.ReasonTrayFull}

// outcome is the error of an operation that was not done.
func outcome(o api.Op) error {
	where := strings.TrimSpace(o.Kind + " " + o.Line)
	switch o.Outcome {
	case api.OpDone:
		return nil
	case api.OpStopped:
		return &problem.Problem{
			Code: problem.CodeConflict, Where: where, What: "stopped, everything is shut", Remedy: cmp.Or(o.Remedy, "start it again when you are ready"),
		}
	}
	code := problem.CodeConflict
	if slices.Contains(dangers, o.Reason) {
		code = problem.CodeUnsafe
	}
	return &problem.Problem{
		Code: code, Where: where, What: "failed: " + words(cmp.Or(o.Reason, "no reason given")), Remedy: cmp.Or(o.Remedy, "see fountainctl alarms"),
	}
}

func heading(req api.StartOp) string {
	s := strings.TrimSpace(req.Kind + " " + req.Line)
	if r := req.Params["recipe"]; r != "" {
		s += " by recipe " + r
	}
	if req.Params["dry"] != "" {
		s += ", dry: nothing flows"
	}
	return s
}

// printOp prints how an operation ended: what was measured, and the sum.
func (t *tool) printOp(o api.Op) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, e := range o.Evidence {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", e.What, amount(e.Is, e.Unit), allowed(e), map[bool]string{true: "ok", false: "NOT OK"}[e.OK])
	}
	if err := flush(w); err != nil {
		return err
	}
	why := o.Reason
	if why == o.Outcome {
		why = ""
	}
	fmt.Fprintf(t.out, "%s: %s flowed\n", because(cmp.Or(o.Outcome, "no outcome"), why), ml(o.FlowedUL))
	return nil
}

func amount(n float64, unit string) string {
	return strings.TrimSpace(strconv.FormatFloat(round3(n), 'f', -1, 64) + " " + unit)
}

func round3(n float64) float64 { return math.Round(n*1000) / 1000 }

func allowed(e api.Evidence) string {
	switch {
	case e.Min == e.Max:
		return "must be " + amount(e.Max, e.Unit)
	case e.Max == 0:
		return "at least " + amount(e.Min, e.Unit)
	case e.Min == 0:
		return "at most " + amount(e.Max, e.Unit)
	}
	return amount(e.Min, "") + " to " + amount(e.Max, e.Unit)
}
