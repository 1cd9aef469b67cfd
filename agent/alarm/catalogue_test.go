package alarm

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write docs/ALARMS.md anew")

// document is the catalogue as a page for people.
func document() []byte {
	var b bytes.Buffer
	b.WriteString(preamble)
	for _, sev := range []Severity{Blocks, Warns} {
		title := "Alarms that block pours"
		if sev == Warns {
			title = "Alarms that warn"
		}
		fmt.Fprintf(&b, "\n## %s\n", title)
		for _, n := range Names() {
			d := n.Definition()
			if d.Severity != sev {
				continue
			}
			fmt.Fprintf(&b, "\n### `%s`\n\n%s. Scope: %s.", d.ID, capital(fill(d.Cause, "…")), d.Scope)
			if d.Code != "" {
				fmt.Fprintf(&b, " Screens see `%s`.", d.Code)
			}
			fmt.Fprintf(&b, "\n\n- **Do:** %s.\n- **Raised** when %s.\n- **Cleared** (%s) when: %s.\n- **Evidence:** %s. From `%s`.\n",
				fill(d.Remedy, "…"), d.Raised, endings[d.Ends], d.Cleared, d.Evidence, d.By)
		}
	}
	return b.Bytes()
}

var endings = map[Ending]string{Itself: "by itself", Proof: "by proof", Person: "by a person"}

func capital(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(first)) + s[n:]
}

const preamble = `# Alarms

Made from the catalogue in ` + "`agent/alarm`" + ` by ` + "`go test ./agent/alarm -update`" + `; do not edit it here.

An alarm has a name, a scope and a severity. It blocks its scope and nothing else: a fault of one line, one slot or one
chip takes away the drinks that need it, and the rest is poured as always. Where two slots hold the same ingredient, the
other one goes on.

- ` + "`GET /v1/service/alarms`, `fountainctl alarms`, the metric `fountain_alarm{name,severity}`" + `: what stands.
- **by itself**: the unit sees that the cause is gone. **by proof**: only a service operation that measured it ends it; no
  PIN does. **by a person**: someone who has mended it says so; refused while the cause can still be seen.

Decisions about sensors that fail: an unknown temperature or gas pressure never takes a drink away, because what it costs
is comfort, not safety, and the switches (` + "`no-water`, `no-co2`" + `) and the flow meters judge on their own. It warns as
` + "`sensor_bad`" + `. But a block that stands when its sensor fails stays until a sound value ends it. Water that is too warm
blocks sparkling drinks only (warm water does not hold gas and foams); still drinks go on with the warning.

Decisions about dates: an expired cartridge blocks its slot when the date has passed by a clock that was set, or by the
last moment that the unit knew for sure. By a clock nobody has set it only warns (` + "`expiry_unsure`" + `): a unit without a
network and with an empty clock battery must not throw away good cartridges.
`

func TestDocumentIsFresh(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "ALARMS.md")
	if *update {
		if err := os.WriteFile(file, document(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, document()) {
		t.Error("docs/ALARMS.md is stale: go test ./agent/alarm -update")
	}
}

// Every entry is whole: somebody who reads it knows what is wrong, what to do and when it ends.
func TestCatalogueIsWhole(t *testing.T) {
	id := regexp.MustCompile(`^[a-z][a-z0-9_]+$`)
	seen := map[string]Name{}
	if n := len(Names()); n < 35 {
		t.Errorf("%d alarms", n)
	}
	for _, n := range Names() {
		d := n.Definition()
		if other, dup := seen[d.ID]; dup {
			t.Errorf("%s is %d and %d", d.ID, other, n)
		}
		seen[d.ID] = n
		if !id.MatchString(d.ID) {
			t.Errorf("name %d has the id %q", n, d.ID)
		}
		if got, ok := Parse(d.ID); !ok || got != n {
			t.Errorf("parse %q = %d, %v", d.ID, got, ok)
		}
		for what, s := range map[string]string{
			"cause": d.Cause, "remedy": d.Remedy, "evidence": d.Evidence, "raised": d.Raised, "cleared": d.Cleared, "by": d.By,
			"scope": string(d.Scope), "ends": string(d.Ends),
		} {
			if s == "" || strings.HasSuffix(s, ".") {
				t.Errorf("%s: %s is %q", d.ID, what, s)
			}
		}
		if (d.Severity == Blocks) != (d.Code != "") || d.Severity != Blocks && d.Severity != Warns {
			t.Errorf("%s: severity %q with code %q", d.ID, d.Severity, d.Code)
		}
		if endings[d.Ends] == "" {
			t.Errorf("%s ends by %q", d.ID, d.Ends)
		}
		if strings.Contains(d.Cause, "{scope}") && d.Scope == OfUnit {
			t.Errorf("%s: the unit is not worth naming", d.ID)
		}
	}
	if _, ok := Parse("no_such"); ok {
		t.Error("parsed a name that is not there")
	}
}
