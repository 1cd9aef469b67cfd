package screens

import (
	"os"
	"path/filepath"
	"testing"

	"fountain/agent/api"
	"fountain/touchui/display"
	"fountain/touchui/display/mem"
	"fountain/touchui/kiosk"
	"fountain/touchui/words"
)

// A language in the unit's own directory can be chosen like the built-in ones, without a release.
func TestLanguageOfTheUnit(t *testing.T) {
	dir := t.TempDir()
	text := `{"lang.name":"Português","lang.direction":"ltr","lang.script":"Latn","lang.decimal":",","home.title":"O que vai ser?"}`
	if err := os.WriteFile(filepath.Join(dir, "pt.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	app, err := kiosk.New(kiosk.Config{Display: mem.New(800, 480, display.RGBA8888)})
	if err != nil {
		t.Fatal(err)
	}
	client := api.NewClient(filepath.Join(dir, "no.sock"))
	defer client.Close()
	u, err := New(Config{Stage: app, Client: client, Width: 800, Height: 480, Languages: dir})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, l := range u.offered() {
		names[l.Tag] = l.Name
	}
	if names["pt"] != "Português" || names["ja"] == "" || len(names) != len(words.Languages())+1 {
		t.Errorf("offers %v", names)
	}
	u.setLanguage("pt")
	if got := u.T("home.title"); got != "O que vai ser?" {
		t.Errorf("says %q", got)
	}
	if got := u.Words.Number(1.5, 1); got != "1,5" {
		t.Errorf("writes %q", got)
	}
	u.setLanguage("en")
	if got := u.T("home.title"); got != "What will it be?" {
		t.Errorf("says %q", got)
	}
}
