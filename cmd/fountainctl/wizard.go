package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// errLater is how a person leaves a step for another time.
var errLater = errors.New("later")

// guided asks for what is open, step by step.
func (w *wizard) guided(ctx context.Context) error {
	s, err := w.c.Setup(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(w.t.out, "Setting up this unit. Every answer is kept at once: Ctrl-C leaves, fountainctl setup goes on.")
	for i, st := range s.Steps {
		now, err := w.c.Setup(ctx) // an earlier step may have done this one
		if err != nil {
			return err
		}
		st = find(now, st.ID)
		fmt.Fprintln(w.t.out)
		w.line(i, len(s.Steps), st)
		for st.State != stepDone {
			err := w.step(ctx, st)
			switch {
			case ctx.Err() != nil:
				fmt.Fprintln(w.t.out, "\nWhat is done stays done: fountainctl setup goes on.")
				return &problem.Problem{Code: problem.CodeConflict, Where: stepTitles[st.ID], What: "the setup was left", Remedy: "go on with fountainctl setup"}
			case errors.Is(err, errNobody):
				return unanswered(stepTitles[st.ID], "flags; see fountainctl setup --help")
			case errors.Is(err, errLater):
			case err != nil && !retry(err):
				return err
			case err != nil:
				w.below(err.Error(), 6)
				continue
			}
			if now, err = w.c.Setup(ctx); err != nil {
				return err
			}
			if was := st; find(now, st.ID) != was {
				st = find(now, st.ID)
				w.line(i, len(s.Steps), st)
			}
			break
		}
	}
	if s, err = w.c.Setup(ctx); err != nil {
		return err
	}
	fmt.Fprintln(w.t.out)
	return w.show(s)
}

// retry tells whether a person may try a step again: its answer was refused, or an operation did not succeed.
func retry(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code != problem.CodeUnreachable && p.Code != problem.CodeInternal && p.Code != problem.CodeNotFound
}

// step asks for one step and does it; errLater leaves it open.
func (w *wizard) step(ctx context.Context, st api.SetupStep) error {
	switch st.ID {
	case api.SetupPIN:
		return w.askPIN(ctx)
	case api.SetupLanguage:
		return w.askValue(ctx, st.ID, "Language, such as en, de or pt-BR (empty: later)")
	case api.SetupZone:
		return w.askValue(ctx, st.ID, "Time zone, such as Europe/Berlin (empty: later)")
	case api.SetupNetwork:
		return w.offer(ctx, "Check the network now?", func() error { return w.answer(ctx, st.ID, "") })
	case api.SetupClaim:
		return w.offer(ctx, "Look whether the cloud knows this unit now?", func() error { return w.answer(ctx, st.ID, "") })
	case api.SetupRig:
		return w.offer(ctx, "Run the dry self-test now? Nothing flows.", func() error { return w.checkRig(ctx) })
	case api.SetupCalibrate:
		return w.askCalibrations(ctx)
	}
	return errLater
}

func (w *wizard) offer(ctx context.Context, question string, do func() error) error {
	yes, err := w.term.yes(ctx, "      "+question)
	if err != nil {
		return err
	}
	if !yes {
		return errLater
	}
	return do()
}

func (w *wizard) askPIN(ctx context.Context) error {
	pin, err := w.term.secret(ctx, "      New PIN, 6 to 12 digits (empty: later): ")
	if err != nil {
		return err
	}
	if pin == "" {
		return errLater
	}
	again, err := w.term.secret(ctx, "      The same again: ")
	if err != nil {
		return err
	}
	if pin != again {
		return &problem.Problem{Code: problem.CodeBadRequest, Where: "PIN", What: "the two are not the same", Remedy: "type it again"}
	}
	return w.answer(ctx, api.SetupPIN, pin)
}

func (w *wizard) askValue(ctx context.Context, id, prompt string) error {
	v, err := w.term.ask(ctx, "      "+prompt+": ")
	if err != nil {
		return err
	}
	if v == "" {
		return errLater
	}
	return w.answer(ctx, id, v)
}

// askCalibrations goes through what is not calibrated, as far as the person likes.
func (w *wizard) askCalibrations(ctx context.Context) error {
	ids, err := w.uncalibrated(ctx)
	if err != nil || len(ids) == 0 {
		return err
	}
	for i, id := range ids {
		s, err := w.term.ask(ctx, fmt.Sprintf("      Calibrate %s now (%d of %d)? [y/N/q: all later] ", id, i+1, len(ids)))
		if err != nil {
			return err
		}
		if strings.HasPrefix(strings.ToLower(s), "q") {
			return errLater
		}
		if yes, _ := yesNo(s); !yes {
			continue
		}
		if err := w.operate(ctx, api.StartOp{Kind: api.OpCalibrate, Line: id, Person: w.person}); err != nil {
			if ctx.Err() != nil || !retry(err) {
				return err
			}
			w.below(err.Error(), 6)
		}
	}
	return errLater
}
