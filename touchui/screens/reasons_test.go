package screens

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/agent/beverage"
	"fountain/internal/problem"
	"fountain/touchui/words"
)

// alarmCodes reads docs/ALARMS.md, which is made from the agent's catalogue of alarms: codes that screens see, by scope.
func alarmCodes(t *testing.T) (unit, other []string) {
	t.Helper()
	b, err := os.ReadFile("../../docs/ALARMS.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("Scope: ([a-z ,]+)\\. Screens see `([a-z0-9_]+)`").FindAllStringSubmatch(string(b), -1) {
		if m[1] == "unit" {
			unit = append(unit, m[2])
		} else {
			other = append(other, m[2])
		}
	}
	if len(unit) < 10 || len(other) < 5 {
		t.Fatalf("found %v and %v: has the document another form?", unit, other)
	}
	return unit, other
}

// constants reads the string constants of a file of the agent whose names begin with prefix.
func constants(t *testing.T, file, prefix string) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range v.Names {
			if i >= len(v.Values) || !strings.HasPrefix(name.Name, prefix) {
				continue
			}
			if lit, ok := v.Values[i].(*ast.BasicLit); ok {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					out[name.Name] = s
				}
			}
		}
		return true
	})
	if len(out) == 0 {
		t.Fatalf("%s has no constants %s…", file, prefix)
	}
	return out
}

// TestEveryOutageHasWords: whatever the agent can call a unit that pours nothing, a person reads what it is, who knows and
// what comes next, in words of its own. A new code fails here until somebody has written them.
func TestEveryOutageHasWords(t *testing.T) {
	codes, _ := alarmCodes(t)
	pours := constants(t, "../../agent/pour/pour.go", "Reason")
	for _, name := range []string{"ReasonEStop", "ReasonLeak", "ReasonDoor", "ReasonTrayFull", "ReasonRigLost", "ReasonInterlock", "ReasonGuardGone", "ReasonJournal", "ReasonStuckOpen", "ReasonHardware"} {
		if pours[name] == "" {
			t.Errorf("%s is gone", name)
		}
		codes = append(codes, pours[name])
	}
	codes = append(codes, "service", "starting", agentAway)
	en := english(t)
	for _, l := range words.Languages() {
		w, err := words.Open(l.Tag)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range codes {
			for _, part := range []string{".title", ".text"} {
				if !w.Has("outage." + code + part) {
					t.Errorf("%s: %s has no %s of its own", l.Tag, code, part[1:])
				}
			}
			title, text, works := outage(w, api.Snapshot{Unit: api.UnitOutOfOrder, Reason: code})
			if title == "" || text == "" || (works == "") != (code == api.Left) || strings.Contains(title+text, "_") || l.Tag != "en" && text == en.T("outage."+code+".text") {
				t.Errorf("%s: %s: %q %q %q", l.Tag, code, title, text, works)
			}
		}
		if title, text, _ := outage(w, api.Snapshot{Unit: api.UnitOutOfOrder, Reason: "something new"}); title != w.T("outage.other.title") || text != w.T("outage.other.text") {
			t.Errorf("%s: a new reason: %q %q", l.Tag, title, text)
		}
	}
}

// TestEveryEndHasWords: a pour that neither the consumer nor the size ended says why.
func TestEveryEndHasWords(t *testing.T) {
	quiet := []string{"ReasonReleased", "ReasonStopped", "ReasonTrayFull", "ReasonAsked"} // the consumer, or they end nothing
	ends := constants(t, "../../agent/pour/pour.go", "Reason")
	for name, v := range constants(t, "../../agent/record/interrupted.go", "Reason") {
		ends[name] = v
	}
	for _, l := range words.Languages() {
		w, err := words.Open(l.Tag)
		if err != nil {
			t.Fatal(err)
		}
		for name, code := range ends {
			if slices.Contains(quiet, name) {
				continue
			}
			if key := endWords(api.Pour{Reason: code, Outcome: "faulted"}); !w.Has(key) {
				t.Errorf("%s: %s has no words: %s", l.Tag, name, key)
			}
		}
	}
	for _, p := range []api.Pour{{Outcome: "completed"}, {Outcome: "stopped", Reason: api.StopReleased}, {Outcome: "stopped", Reason: "stopped"}} {
		if key := endWords(p); key != "" {
			t.Errorf("%+v says %s", p, key)
		}
	}
	if key := endWords(api.Pour{Outcome: "faulted"}); key != "ended.other" {
		t.Errorf("an unknown fault says %s", key)
	}
}

// TestEveryAwayHasWords: why one beverage is away. Codes that say nothing to a person share the words for all others on
// purpose; they are listed here.
func TestEveryAwayHasWords(t *testing.T) {
	shared := []string{"line_fault", "wrong_cartridge", "expired", "no_fizz"} // no_fizz has its own page
	_, codes := alarmCodes(t)
	w := english(t)
	for _, code := range codes {
		if own := away(w, "It", code) != w.T("away.other", "name", "It"); own == slices.Contains(shared, code) {
			t.Errorf("%s: words of its own: %v", code, own)
		}
	}
}

func TestEveryRefusalHasWords(t *testing.T) {
	w := english(t)
	for name, code := range constants(t, "../../internal/problem/problem.go", "Code") {
		if key := refusal(&problem.Problem{Code: code, What: "no"}); !w.Has(key) {
			t.Errorf("%s says %s", name, key)
		}
	}
	for where, want := range map[string]string{"no_cup": "refused.no_cup", "cup": rinseAsk, "e_stop": "refused.unsafe"} {
		if key := refusal(&problem.Problem{Code: problem.CodeUnsafe, Where: where}); key != want {
			t.Errorf("unsafe at %s says %s", where, key)
		}
	}
}

// TestOutages shows each outage and leaves it, on the page and in /tree.
func TestOutages(t *testing.T) {
	r := newRig(t, 800, 480)
	r.waitPage("home")
	codes, _ := alarmCodes(t)
	for _, code := range append(codes, "service", "something_new") {
		r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitOutOfOrder, code })
		r.waitPage("out_of_order")
		want, text, _ := outage(r.ui.Words, api.Snapshot{Unit: api.UnitOutOfOrder, Reason: code})
		r.until(code, func() bool {
			a, ok := r.find("outage.title")
			b, _ := r.find("outage.text")
			return ok && a.Name == want && b.Name == text
		})
		if _, ok := r.find("outage.works"); ok == (code == api.Left) {
			t.Errorf("%s: that it comes back by itself is said: %v", code, ok)
		}
		r.agent.set(func(s *api.Snapshot) { s.Unit, s.Reason = api.UnitReady, "" })
		r.waitPage("home")
	}
}

// TestNoFizzSaysWhy: gas that ran out and water that is not cold yet take the fizz, and nothing else.
func TestNoFizzSaysWhy(t *testing.T) {
	for why, key := range map[string]string{whyNoFizz: "no_fizz.text", whyTooWarm: "no_fizz.text_warm"} {
		t.Run(why, func(t *testing.T) {
			r := newRig(t, 800, 480)
			r.waitPage("home")
			r.agent.set(func(s *api.Snapshot) {
				s.Blocked = map[beverage.ID]string{}
				for id := range blockFizz(t, r.ui.cat) {
					s.Blocked[id] = why
				}
			})
			r.waitPage("no_fizz")
			if e := r.get("no-fizz.text"); e.Name != r.ui.T(key) {
				t.Errorf("says %q", e.Name)
			}
			if e := r.get("no-fizz.rest"); !strings.Contains(e.Name, strconv.Itoa(r.ui.menu.Count(FilterStill))) {
				t.Errorf("the rest is %q", e.Name)
			}
			r.agent.set(func(s *api.Snapshot) { s.Blocked = map[beverage.ID]string{} })
			r.waitPage("home")
		})
	}
}
