package screens

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/problem"
)

// Cup is one of the cup sizes.
type Cup struct {
	Key  string // of the accessible id
	Name string
	ML   int
	OZ   int
}

// mlPerFlOz is the US fluid ounce.
const mlPerFlOz = 29.5735

// cupsOf turns the unit's sizes into cups; without any (an agent that has not spoken yet) there is one medium cup.
func cupsOf(sizes []api.Size) []Cup {
	if len(sizes) == 0 {
		sizes = []api.Size{{ID: "medium", UL: 473_000}}
	}
	out := make([]Cup, len(sizes))
	for i, s := range sizes {
		ml := int(s.UL / 1000)
		out[i] = Cup{Key: s.ID, Name: strings.ToUpper(s.ID[:1]) + s.ID[1:], ML: ml, OZ: int(math.Round(float64(ml) / mlPerFlOz))}
	}
	return out
}

// usual is the cup that is chosen before anybody chooses: the middle one, the smaller of two.
func usual(cups []Cup) int { return (len(cups) - 1) / 2 }

// kcal, sugarG and caffeineMG are the figures of a cup of ml, rounded as on a label: calories to 5 above 5.
func kcal(v *beverage.Beverage, ml int) int {
	x := v.KCal * float64(ml) / 100
	if x < 5 {
		return int(math.Round(x))
	}
	return int(math.Round(x/5)) * 5
}

func sugarG(v *beverage.Beverage, ml int) int { return int(math.Round(v.Sugar * float64(ml) / 100)) }

func caffeineMG(v *beverage.Beverage, ml int) int {
	return int(math.Round(v.Caffeine * float64(ml) / 100))
}

// sugarWords says the sugar of 100 ml as on a variant card.
func sugarWords(v *beverage.Beverage) string {
	if noSugar(v) {
		return "No sugar"
	}
	return strconv.FormatFloat(v.Sugar, 'f', -1, 64) + " g sugar"
}

// favouriteNote is the last line of a favourite.
func favouriteNote(v *beverage.Beverage, c Cup) string {
	if noSugar(v) && kcal(v, c.ML) < 8 {
		return "No sugar"
	}
	return fmt.Sprintf("%d kcal", kcal(v, c.ML))
}

// facts says in sentences what the figures leave out.
func facts(v *beverage.Beverage, c Cup) string {
	s := c.Name + " cup without ice."
	if len(v.Sweeteners) > 0 {
		s += " Sweeteners: " + strings.Join(v.Sweeteners, ", ") + "."
	}
	for _, n := range v.Notices {
		switch n {
		case "phenylalanine":
			s += " Contains a source of phenylalanine."
		case "high caffeine":
			s += " High caffeine content. Not recommended for children or pregnant women."
		default:
			s += " Contains " + n + "."
		}
	}
	if len(v.Allergens) == 0 {
		return s + " No listed allergens."
	}
	return s + " Contains " + strings.Join(v.Allergens, ", ") + "."
}

// difference says in a few words how a substitute differs from what was wanted.
func difference(want, got *beverage.Beverage, sameBrand bool) string {
	var parts []string
	switch {
	case noSugar(want) && noSugar(got):
		parts = append(parts, "No sugar")
	case noSugar(want):
		parts = append(parts, "With sugar")
	case noSugar(got):
		parts = append(parts, "No sugar")
	case got.Sugar < want.Sugar*.8:
		parts = append(parts, "Less sugar")
	default:
		parts = append(parts, "Similar sugar")
	}
	switch {
	case sparkling(want) && !sparkling(got):
		parts = append(parts, "still")
	case !sparkling(want) && sparkling(got):
		parts = append(parts, "fizzy")
	case noCaffeine(want) != noCaffeine(got) && noCaffeine(got):
		parts = append(parts, "no caffeine")
	case noCaffeine(want) != noCaffeine(got):
		parts = append(parts, "with caffeine")
	case !noCaffeine(want) && math.Abs(want.Caffeine-got.Caffeine) < want.Caffeine*.2:
		parts = append(parts, "same caffeine")
	case sameBrand:
		parts = append(parts, "same brand")
	}
	return strings.Join(parts, ", ")
}

// outage says in plain words why the whole unit cannot pour: what happened, who knows, what to do.
func outage(s api.Snapshot) (title, text string) {
	switch s.Reason {
	case "e_stop":
		return "Stopped by hand", "Someone pressed the stop button on this machine. The crew can release it."
	case "door":
		return "The door is open", "Someone is working on this machine. It pours again when the door is shut."
	case "guard_gone", "guard":
		return "A short pause", "The safety valve shut itself and is being checked. This usually takes a few seconds."
	case "no_water", "water":
		return "No water just now", "The water supply has stopped. The crew has been told."
	case "leak":
		return "Closed for now", "This machine found water where none should be and shut its valves. The crew has been told."
	case "service", "cleaning":
		return "Back in a while", "The crew is cleaning or checking this machine. It pours again when they have finished."
	case "tray_full":
		return "The tray is full", "The crew can empty the tray under the cups. Then this machine pours again."
	case "rig_lost", "hardware", "starting":
		return "A short pause", "This machine is starting its valves again. This usually takes a few seconds."
	case "unexpected_flow":
		return "Closed for now", "This machine noticed water running by itself and shut its valves. The crew has been told."
	case "interlock_unreadable", "lines_keep_level":
		return "Closed for now", "This machine cannot tell whether it is safe to pour. The crew has been told."
	case "store_failing", "journal":
		return "Closed for now", "This machine cannot write down what it pours just now. The crew has been told."
	case agentAway:
		return "One moment", "This screen is looking for the machine behind it. It goes on by itself."
	}
	for _, a := range s.Alarms {
		if a.Severity == "blocks" && a.Scope == "unit" && a.What != "" {
			return "Closed for now", sentence(a.What) + " The crew has been told."
		}
	}
	return "Closed for now", "This machine cannot pour at the moment. The crew has been told."
}

// agentAway is the reason this screen gives itself when the agent does not answer.
const agentAway = "agent_away"

func sentence(s string) string {
	if s == "" {
		return ""
	}
	first, n := utf8.DecodeRuneInString(s)
	s = string(unicode.ToUpper(first)) + s[n:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// refusal says in plain words why a pour did not start or went wrong.
func refusal(err error) string {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return "That did not work. Let go and try again."
	}
	switch p.Code {
	case problem.CodeBusy, problem.CodeConflict:
		return "The last drink is still settling. Try again in a moment."
	case rinseFirst:
		return rinseAsk
	case problem.CodeUnavailable:
		return "This one cannot be poured just now."
	case problem.CodeUnsafe:
		return "The machine has stopped for safety. The crew can help."
	case problem.CodeUnreachable:
		return "The machine does not answer. Try again in a moment."
	}
	return "That did not work. Let go and try again."
}

// rinseFirst is the code of a refusal because the drink before left in the nozzle what this one must not hold.
const rinseFirst = "rinse_first"

func wantsRinse(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code == rinseFirst
}

// What is said about a rinse. Most units see that the cup is away and rinse by themselves; on one that does not, holding
// again rinses.
const (
	rinseAsk  = "Take the cup away for a moment, then hold again: the nozzle rinses itself first."
	rinseDone = "The nozzle is rinsed. Put your cup back and hold."
)

// away says that a beverage cannot be had. Only what ran out has run out: a cold that fails, a line that is cleaned and
// every reason this screen does not know yet are over again by themselves or by the crew.
func away(why string) string {
	switch why {
	case "", whySoldOut:
		return "has run out"
	case "no_water":
		return "has no water"
	case "too_warm":
		return "is not cold yet"
	case "cleaning":
		return "is being cleaned"
	}
	return "takes a break"
}

// endWords says why a pour ended when it was neither the consumer nor the size that ended it; "" otherwise.
func endWords(p api.Pour) string {
	switch p.Reason {
	case "e_stop":
		return "Someone pressed the stop button."
	case "screen_lost":
		return "This screen lost your finger, so it stopped."
	case "lease_lost":
		return "This screen lost touch with the machine, so it stopped."
	case "paused_out":
		return "The cup was away for too long, so it stopped."
	case "no_flow", "air_in_water", "no_water":
		return "The water stopped coming. The crew has been told."
	case "sold_out", "cartridge_removed":
		return "That was the last of it. The crew has been told."
	case "door":
		return "The door was opened, so it stopped."
	case "guard_gone", "rig_lost", "loop_gap", "agent_gone", "power_cut":
		return "The machine had to start again, so it stopped."
	}
	if p.Outcome == "interrupted" || p.Outcome == "faulted" {
		return "The machine stopped this drink to be safe."
	}
	return ""
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
