package service

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fountain/agent/api"
	"fountain/touchui/sheet"
	"fountain/touchui/theme"
	"fountain/touchui/words"
)

// speaking is a Service that only speaks.
func speaking(t *testing.T, lang string) *Service {
	t.Helper()
	fonts, err := theme.LoadFonts()
	if err != nil {
		t.Fatal(err)
	}
	book, err := words.Open(lang)
	if err != nil {
		t.Fatal(err)
	}
	return &Service{look: sheet.New(sheet.NewGeo(1080, 1920, 0), fonts, book, 1<<20)}
}

func TestSaid(t *testing.T) {
	de, en := speaking(t, "de"), speaking(t, "en")
	for _, c := range []struct{ agent, en, de string }{
		{"How much is in the cup?", "How much is in the cup?", "Wie viel ist im Becher?"},
		{"cup 2", "Cup 2.", "Becher 2."},
		{"Valve still opens and shuts.", "Valve still opens and shuts.", "Ventil still öffnet und schließt."},
		{"300 of 300 strokes confirmed, 12.0 ml", "300 of 300 strokes confirmed, 12 ml.", "300 von 300 Hüben bestätigt, 12 ml."},
		{"nobody wrote this sentence down", "Nobody wrote this sentence down.", "Nobody wrote this sentence down."},
		{"flow_still, p01 and p02", "flow_still, p01 and p02.", "flow_still, p01 and p02."},
		{"82 of 82 meters and pumps go by their name plate: p01, p02 and 78 more", "82 of 82 meters and pumps go by their name plate: p01, p02 and 78 more.", "82 von 82 Zählern und Pumpen gehen nach Typenschild: p01, p02 und 78 weitere."},
		{"flow_still, p01 and 78 more", "flow_still, p01 and 78 more.", "flow_still, p01 und 78 weitere."},
		{"the venue's time zone is Europe/Berlin from the next start on", "The venue's time zone is Europe/Berlin from the next start on.", "Zeitzone des Standorts ab dem nächsten Start: Europe/Berlin."},
		{"opens after 12.5 ms", "Opens after 12.5 ms.", "Opens after 12.5 ms."},
		{"put an empty measuring cup for about 22.5 ml under the nozzle", "Put an empty measuring cup for about 22.5 ml under the nozzle.", "Einen leeren Messbecher für etwa 22,5 ml unter die Düse stellen."},
		{"connected to 10.0.0.1:8883", "Connected to 10.0.0.1:8883.", "Verbunden mit 10.0.0.1:8883."},
		{"", "", ""},
	} {
		if got := en.said(c.agent); got != c.en {
			t.Errorf("en: %q, want %q", got, c.en)
		}
		if got := de.said(c.agent); got != c.de {
			t.Errorf("de: %q, want %q", got, c.de)
		}
	}
}

// What the cleaning recipes say to a person can be said in every language: each sentence of the agent's recipe files is
// one of agentKeys. They are read as data: the screen does not import the agent.
func TestEveryRecipeCanBeSaid(t *testing.T) {
	files, err := filepath.Glob("../../agent/maintenance/recipes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no recipes", err)
	}
	say := regexp.MustCompile(`say: (?:"([^"]*)"|([^}]*?)) *\}`)
	title := regexp.MustCompile(`(?m)^id: (\S+)`)
	de := speaking(t, "de")
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range say.FindAllStringSubmatch(string(b), -1) {
			n++
			text := m[1] + m[2]
			if de.said(text) == sentence(text) {
				t.Errorf("%s: %q is said in English only", filepath.Base(f), text)
			}
		}
		id := title.FindStringSubmatch(string(b))[1]
		if !slices.ContainsFunc([]string{"nozzle", kindValve, kindPump}, func(k string) bool { return slices.Contains(recipes[k], id) }) {
			t.Errorf("recipe %s is not offered", id)
		}
	}
	if n < 20 {
		t.Errorf("found %d sentences only", n)
	}
}

// Every alarm of the agent's catalogue has a title and a remedy of its own.
func TestEveryAlarmHasATitle(t *testing.T) {
	b, err := os.ReadFile("../../agent/alarm/catalogue.go")
	if err != nil {
		t.Fatal(err)
	}
	ids := regexp.MustCompile(`ID: "([a-z0-9_]+)"`).FindAllStringSubmatch(string(b), -1)
	if len(ids) < 60 {
		t.Fatalf("%d alarms found", len(ids))
	}
	en := speaking(t, "en")
	for _, id := range ids {
		if title := en.alarmTitle(id[1], "s01", "", ""); !strings.Contains(title, "s01") {
			t.Errorf("alarm %s: title %q", id[1], title)
		}
		if !en.look.Words.Has("service.remedy." + id[1]) {
			t.Errorf("alarm %s: no remedy", id[1])
		}
	}
}

// Every action that a thing to do can have has a word in every language, and its button leads to a page of its own.
func TestEveryActionLeadsSomewhere(t *testing.T) {
	b, err := os.ReadFile("../../agent/api/overview.go")
	if err != nil {
		t.Fatal(err)
	}
	actions := regexp.MustCompile(`Action[A-Z]\w+ += "(\w+)"`).FindAllStringSubmatch(string(b), -1)
	if len(actions) < 8 {
		t.Fatalf("%d actions found", len(actions))
	}
	lib, err := words.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, 800, 480, "en")
	r.enter()
	for _, a := range actions {
		for _, l := range lib.Languages() {
			if key := "service.action." + a[1]; !speaking(t, l.Tag).look.Words.Has(key) {
				t.Errorf("%s: there is no word for %s", l.Tag, key)
			}
		}
		want := map[string]string{
			api.ActionCartridge: "swap", api.ActionClean: "choose", api.ActionCalibrate: "choose", api.ActionPrime: "choose", api.ActionBrix: "choose",
			api.ActionSelfTest: "selftest", api.ActionNetwork: "network", api.ActionShow: "alarm",
		}[a[1]]
		r.do(func() { r.svc.act(api.Todo{Action: a[1]}) })
		if got := r.page(); got != "service."+want {
			t.Errorf("the button of %q, about several at once, leads to %s, want %s", a[1], got, want)
		}
	}
}
