package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fountain/agent/api"
)

func (t *tool) watchCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "watch",
		Short: "Print what happens as it happens, until Ctrl-C",
		Example: `  fountainctl watch
  fountainctl watch --json | jq -c '{unit, pour: .pour.poured_ul}'`,
		Args: args(cobra.NoArgs),
		RunE: t.do(func(ctx context.Context, c *api.Client, _ []string) error {
			if _, err := c.Snapshot(ctx); err != nil {
				return err // an agent that was never there is an error, one that goes away later is an event
			}
			w := watcher{print: func(s string) { fmt.Fprintln(t.out, time.Now().Format("15:04:05"), s) }}
			show := w.show
			if t.json {
				show = t.showJSON
			}
			err := c.Events(ctx, show, func(error) {
				if !t.json {
					w.say("link", "the agent does not answer")
				}
			})
			if ctx.Err() != nil {
				return nil // Ctrl-C is how one leaves
			}
			return err
		}),
	}
	t.jsonFlag(c, "every snapshot as one line of JSON")
	return c
}

func (t *tool) showJSON(s api.Snapshot) error {
	if err := json.NewEncoder(t.out).Encode(s); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// watcher prints one line for each thing that changed since the last snapshot.
type watcher struct {
	print func(string)
	said  map[string]string
	drawn time.Time // of the last line about a flowing pour
}

func (w *watcher) say(topic, text string) {
	if w.said == nil {
		w.said = map[string]string{}
	}
	if w.said[topic] != text {
		w.said[topic] = text
		w.print(text)
	}
}

func (w *watcher) show(s api.Snapshot) error {
	if w.said == nil {
		w.said = map[string]string{}
	}
	w.said["link"] = ""
	w.say("unit", "unit "+because(s.Unit, s.Reason))
	w.say("online", map[bool]string{true: "cloud online", false: "cloud away"}[s.Online])
	w.say("cup", map[bool]string{true: "cup in place", false: "no cup"}[s.Cup])
	if len(s.Interlocks) > 0 {
		w.say("interlocks", "tripped: "+words(strings.Join(s.Interlocks, ", ")))
	} else if w.said["interlocks"] != "" {
		w.say("interlocks", "nothing tripped")
	}
	w.alarms(s.Alarms)
	if p := s.Pour; p != nil {
		w.pour(*p)
	}
	return nil
}

func (w *watcher) alarms(now []api.Alarm) {
	stands := map[string]bool{}
	for _, a := range now {
		topic := "alarm " + a.Name + " " + a.Scope
		stands[topic] = true
		w.say(topic, "alarm "+alarmLine(a))
	}
	for topic, text := range w.said {
		if strings.HasPrefix(topic, "alarm ") && text != "" && !stands[topic] {
			w.print("alarm over: " + strings.TrimPrefix(topic, "alarm "))
			delete(w.said, topic)
		}
	}
}

// pour prints each phase once and a flowing pour once a second.
func (w *watcher) pour(p api.Pour) {
	text := fmt.Sprintf("pour %s %s: %s of %s", p.Beverage, p.Phase, ml(p.PouredUL), ml(p.TargetUL))
	if p.Outcome != "" {
		text += ", " + because(p.Outcome, p.Reason)
	}
	if p.Seq > 0 {
		text += fmt.Sprintf(", number %d", p.Seq)
	}
	key := p.ID + " " + p.Phase + " " + p.Outcome
	if p.Phase == api.PhaseFlowing && w.said["pour"] == key && time.Since(w.drawn) < time.Second {
		return
	}
	if w.said["pour"] == key && p.Phase != api.PhaseFlowing {
		return
	}
	w.said["pour"], w.drawn = key, time.Now()
	w.print(text)
}
