package screens

import (
	"errors"
	"math"
	"strings"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/problem"
	"fountain/touchui/words"
)

// Cup is one of the cup sizes.
type Cup struct {
	Key string // of the accessible id
	ML  int
}

// cupsOf turns the unit's sizes into cups; without any (an agent that has not spoken yet) there is one medium cup.
func cupsOf(sizes []api.Size) []Cup {
	if len(sizes) == 0 {
		sizes = []api.Size{{ID: "medium", UL: 473_000}}
	}
	out := make([]Cup, len(sizes))
	for i, s := range sizes {
		out[i] = Cup{Key: s.ID, ML: int(s.UL / 1000)}
	}
	return out
}

// Name is what the size is called; one that nobody gave a word for goes by its id.
func (c Cup) Name(w *words.Book) string {
	if key := "size." + c.Key; w.T(key) != key {
		return w.T(key)
	}
	return strings.ToUpper(c.Key[:1]) + c.Key[1:]
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
func sugarWords(w *words.Book, v *beverage.Beverage) string {
	if noSugar(v) {
		return w.T("note.no_sugar")
	}
	return w.T("note.sugar", "n", w.Number(v.Sugar, 1))
}

// facts says in sentences what the figures leave out: for the full cup without ice, what sweetens it, what people must
// be told, and the allergens.
func facts(w *words.Book, v *beverage.Beverage, c Cup) string {
	s := []string{w.T("facts.cup", "size", c.Name(w))}
	if len(v.Sweeteners) > 0 {
		s = append(s, w.T("facts.sweeteners", "list", names(w, v.Sweeteners)))
	}
	for _, n := range v.Notices {
		switch n {
		case "phenylalanine":
			s = append(s, w.T("facts.phenylalanine"))
		case "high caffeine":
			s = append(s, w.T("facts.high_caffeine"))
		default:
			s = append(s, w.T("facts.contains", "list", w.Name(n)))
		}
	}
	if len(v.Allergens) == 0 {
		s = append(s, w.T("facts.no_allergens"))
	} else {
		s = append(s, w.T("facts.contains", "list", names(w, v.Allergens)))
	}
	return strings.Join(s, " ")
}

func names(w *words.Book, list []string) string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = w.Name(n)
	}
	return w.List(out...)
}

// figuresInWords are the figures of a full cup in one sentence.
func figuresInWords(w *words.Book, v *beverage.Beverage, c Cup) string {
	return w.T("facts.figures", "kcal", kcal(v, c.ML), "sugar", sugarG(v, c.ML), "caffeine", caffeineMG(v, c.ML))
}

// difference says in a few words how a substitute differs from what was wanted.
func difference(w *words.Book, want, got Offer) string {
	a, b := want.Beverage, got.Beverage
	sameBrand := want.Brand.ID == got.Brand.ID
	if sameBrand && noSugar(a) != noSugar(b) && sparkling(a) == sparkling(b) && noCaffeine(a) == noCaffeine(b) && sameTaste(want, got) {
		if noSugar(b) {
			return w.T("diff.twin_zero")
		}
		return w.T("diff.twin_sugar")
	}
	first, second := "diff.sugar_same", ""
	switch {
	case noSugar(b):
		first = "diff.sugar_none"
	case noSugar(a):
		first = "diff.sugar_with"
	case b.Sugar < a.Sugar*.8:
		first = "diff.sugar_less"
	}
	switch {
	case sparkling(a) && !sparkling(b):
		second = "diff.still"
	case !sparkling(a) && sparkling(b):
		second = "diff.fizzy"
	case noCaffeine(a) != noCaffeine(b) && noCaffeine(b):
		second = "diff.caffeine_free"
	case noCaffeine(a) != noCaffeine(b):
		second = "diff.caffeine_with"
	case !noCaffeine(a) && math.Abs(a.Caffeine-b.Caffeine) < a.Caffeine*.2:
		second = "diff.caffeine_same"
	case sameBrand:
		second = "diff.same_brand"
	default:
		return w.T(first)
	}
	return w.T("diff.and", "a", w.T(first), "b", w.T(second))
}

// sameTaste reports whether two beverages of a brand are flavoured alike.
func sameTaste(a, b Offer) bool {
	x, y := flavours(a), flavours(b)
	if len(x) == 0 || len(y) == 0 {
		return false
	}
	for f := range x {
		if !y[f] && f != "original" {
			return false
		}
	}
	for f := range y {
		if !x[f] && f != "original" {
			return false
		}
	}
	return true
}

// said is the phrase of a key whose last part came from elsewhere, such as a code of the agent, or the one for all others.
func said(w *words.Book, before, code, after string) string {
	if code != "" {
		if key := before + code + after; w.T(key) != key {
			return w.T(key)
		}
	}
	return w.T(before + "other" + after)
}

// agentAway is the reason this screen gives itself when the agent does not answer.
const agentAway = "agent_away"

// outage says in plain words why the whole unit cannot pour: what happened, who knows, what works again when. A unit that
// was taken out of service does not come back by itself: works is empty.
func outage(w *words.Book, s api.Snapshot) (title, text, works string) {
	code := s.Reason
	if s.Unit == api.UnitStarting {
		code = "starting"
	}
	if code != api.Left {
		works = w.T("outage.works")
	}
	return said(w, "outage.", code, ".title"), said(w, "outage.", code, ".text"), works
}

// refusal is the key of what is said about a pour that did not start or went wrong.
func refusal(err error) string {
	var p *problem.Problem
	if !errors.As(err, &p) {
		return "refused.other"
	}
	switch p.Code {
	case problem.CodeBusy, problem.CodeConflict:
		return "refused.busy"
	case rinseFirst:
		return rinseAsk
	case problem.CodeUnavailable:
		return "refused.unavailable"
	case problem.CodeUnsafe:
		switch p.Where {
		case "no_cup":
			return "refused.no_cup"
		case "cup":
			return rinseAsk
		}
		return "refused.unsafe"
	case problem.CodeUnreachable:
		return "refused.unreachable"
	}
	return "refused.other"
}

// rinseFirst is the code of a refusal because the drink before left in the nozzle what this one must not hold.
const rinseFirst = "rinse_first"

func wantsRinse(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code == rinseFirst
}

// Keys of what is said about a rinse. Most units see that the cup is away and rinse by themselves; on one that does not,
// holding again rinses. Each has another wording for tapping.
const (
	rinseAsk  = "rinse.ask"
	rinseNow  = "rinse.now"
	rinseDone = "rinse.done"
)

// away says that a beverage cannot be had. Only what ran out has run out: a cold that fails, a line that is cleaned and
// every reason this screen does not know yet are over again by themselves or by the crew.
func away(w *words.Book, name, why string) string {
	if why == "" {
		why = whySoldOut
	}
	if key := "away." + why; w.T(key) != key {
		return w.T(key, "name", name)
	}
	return w.T("away.other", "name", name)
}

// endWords is the key of why a pour ended when it was neither the consumer nor the size that ended it; "" otherwise.
func endWords(p api.Pour) string {
	switch p.Reason {
	case "", api.StopReleased, "stopped":
		if p.Outcome == "interrupted" || p.Outcome == "faulted" {
			return "ended.other"
		}
		return ""
	}
	if p.Outcome == "completed" {
		return ""
	}
	return "ended." + p.Reason
}
