package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/config"
	"fountain/internal/problem"
)

const secret = "hunter2"

// TestOverview: the service home tells what is to be done in order of harm, with where each leads, and what was measured.
func TestOverview(t *testing.T) {
	inBubble(t, func(c *config.Config) { c.Unit.Venue, c.Unit.Timezone = "Food court", "Europe/Berlin" }, func(v *virtual) {
		h := home{v.a}
		bev := v.some("water.sparkling", "flavour.lime", "")
		v.pour(bev, 200_000)
		var slot string
		for _, s := range v.a.planogram.Slots {
			if s.Ingredient == "flavour.lime" {
				slot = s.Slot
				v.a.book.SetEmpty(s.Slot)
			}
		}
		v.a.slots.judge()
		v.a.stockChanged()
		v.await("it is sold out", 5*time.Second, func() bool { return v.blocked(bev) != "" })
		o, err := h.Overview(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if o.Place != "Food court" || o.Serial != "V-1" || o.At.Location().String() != "Europe/Berlin" || o.Versions.Catalogue != v.a.catalogue.Digest {
			t.Errorf("%+v", o)
		}
		if len(o.Slots) != len(v.a.planogram.Slots) {
			t.Fatalf("%d slots", len(o.Slots))
		}
		for i, s := range o.Slots {
			if s.Slot != v.a.planogram.Slots[i].Slot || s.Name == "" || s.FullUL <= 0 || s.Percent < 0 || s.Percent > 100 {
				t.Errorf("%+v", s)
			}
			if (s.Slot == slot) != (s.Percent == 0) {
				t.Errorf("level of %s: %d %%", s.Slot, s.Percent)
			}
		}
		warned, found := false, false
		for i, todo := range o.Todos {
			warned = warned || todo.Severity == "warns"
			if warned && todo.Severity == "blocks" || todo.What == "" || todo.Action == "" {
				t.Errorf("place %d: %+v", i, todo)
			}
			if todo.Alarm == alarm.CartridgeEmpty.String() && todo.Line == slot {
				found = true
				if todo.Action != api.ActionCartridge || todo.Severity == "blocks" && todo.Hidden < 1 {
					t.Errorf("%+v", todo)
				}
			}
			if todo.Alarm == alarm.RigCheckMissing.String() && (todo.Action != api.ActionSelfTest || todo.Line != "") {
				t.Errorf("%+v", todo)
			}
		}
		if !found {
			t.Errorf("nothing about the empty cartridge in %+v", o.Todos)
		}
		f := o.Figures
		if f.WaterC == nil || *f.WaterC < 0 || *f.WaterC > 30 || f.GasKPa == nil || *f.GasKPa < 100 || f.InletKPa == nil || *f.InletKPa < 50 {
			t.Errorf("%v %v %v", f.WaterC, f.GasKPa, f.InletKPa)
		}
		if f.DrinksToday != 1 || f.Online || f.LastSync != nil || f.Backlog != 1 || f.TotalBytes == 0 || f.UptimeS < 1 {
			t.Errorf("%+v", f)
		}
		if percent(1, 100_000) != 1 || percent(0, 100) != 0 || percent(200, 100) != 100 || percent(5, 0) != 0 || percent(995, 1000) != 100 {
			t.Error("percent")
		}
	})
}

// TestOverviewOfEveryScope: whatever an alarm stands for, the service home and the diagnostics can tell it. One that
// blocked a line or the unit used to end the agent.
func TestOverviewOfEveryScope(t *testing.T) {
	inBubble(t, nil, func(v *virtual) {
		id := v.some("water.still", "", "")
		for scope, name := range map[string]alarm.Name{
			alarm.ScopeUnit: alarm.JournalStuck, "valve_still": alarm.OutputFault, "s01": alarm.CartridgeEmpty, "nothing.known": alarm.IngredientRecalled,
			string(id): alarm.BeverageRecalled, "water.still": alarm.IngredientRecalled,
		} {
			v.a.board.Set(alarm.Alarm{Name: name, Scope: scope})
			if _, err := (home{v.a}).Overview(v.t.Context()); err != nil {
				t.Errorf("%v of %s: %v", name, scope, err)
			}
			if _, err := (diag{v.a}).File(v.t.Context()); err != nil {
				t.Errorf("%v of %s: %v", name, scope, err)
			}
			v.a.board.Clear(name, scope)
		}
	})
}

// TestSettingsOnTheUnit: what a technician sets is checked, stored, told as coming, and told without its password.
func TestSettingsOnTheUnit(t *testing.T) {
	inBubble(t, func(c *config.Config) {
		loaded, err := config.Load("", nil)
		if err != nil {
			t.Fatal(err)
		}
		loaded.Unit.Serial, loaded.Cloud.Proxy = "V-1", "http://old:"+secret+"@proxy:1"
		*c = *loaded
	}, func(v *virtual) {
		s, h := settings{v.a}, home{v.a}
		if n := h.Network(); n.Proxy != "http://old@proxy:1" || n.NextProxy != "" {
			t.Errorf("%+v", n)
		}
		n, err := h.SetProxy(api.SetProxy{Proxy: "http://unit:" + secret + "@proxy:3128", Person: "ada"})
		if err != nil || n.NextProxy != "http://unit@proxy:3128" {
			t.Errorf("%+v %v", n, err)
		}
		if n, err := h.SetProxy(api.SetProxy{Proxy: "ftp://unit:" + secret + "@proxy", Person: "ada"}); err == nil || strings.Contains(err.Error(), secret) || n.NextProxy != "http://unit@proxy:3128" {
			t.Errorf("%+v %v", n, err)
		}
		if row, err := s.Set("unit.timezone", api.SetConfig{Value: "Asia/Tokyo", Person: "ada"}); err != nil || row.Value != "UTC" || row.Next != "Asia/Tokyo" || !row.Tech {
			t.Errorf("%+v %v", row, err)
		}
		rev := v.a.view.Snapshot().Rev
		for key, value := range map[string]string{
			"unit.language": "de", "unit.languages": "en,ja", "unit.units": "both", "unit.panel_mm": "398x708", "unit.phone_url": "https://pour.example/417",
			"unit.mixes": "false", "unit.speech": "default",
		} {
			if row, err := s.Set(key, api.SetConfig{Value: value, Person: "ada"}); err != nil || row.Next != nil || row.Origin != config.FromTechnician {
				t.Errorf("%+v %v", row, err)
			}
		}
		snap := v.a.view.Snapshot() // the screen's keys count at once
		if snap.Language != "de" || !slices.Equal(snap.Languages, []string{"de", "en", "ja"}) || snap.Units != api.UnitsBoth || snap.PanelMM != (api.Panel{W: 398, H: 708}) ||
			snap.Phone != "https://pour.example/417" || snap.Mixes || snap.Speech != "default" || snap.Rev <= rev {
			t.Errorf("%+v", snap)
		}
		if step := v.a.setup.valueStep(api.SetupLanguage, "unit.language", "the language", ""); step.What != "the language is de" {
			t.Errorf("%+v", step)
		}
		if _, err := s.Set("pour.max_ml", api.SetConfig{Value: "2000", Person: "ada"}); err == nil {
			t.Error("a limit was set on the unit")
		}
		list, err := s.List()
		if err != nil || len(list) < 30 {
			t.Fatalf("%d keys, %v", len(list), err)
		}
		if n, err = h.SetProxy(api.SetProxy{Person: "ada"}); err != nil || n.NextProxy != "none" {
			t.Errorf("%+v %v", n, err)
		}
		trail, err := v.a.audit.List()
		if err != nil {
			t.Fatal(err)
		}
		all, err := json.Marshal([]any{list, trail, n})
		if err != nil || strings.Contains(string(all), secret) || !strings.Contains(string(all), "set cloud.proxy") {
			t.Errorf("%s %v", all, err)
		}
		if st, err := os.Stat(v.a.technicianFile()); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", st.Mode(), err)
		}
	})
}

// TestDiag: one bounded file with everything that helps and nothing that must not leave the unit, and a text for a QR code.
func TestDiag(t *testing.T) {
	inBubble(t, func(c *config.Config) {
		c.Cloud.Proxy = "http://unit:" + secret + "@proxy:3128"
	}, func(v *virtual) {
		d := diag{v.a}
		v.a.log.Error("cannot connect", slog.String("err", "dial http://unit:"+secret+"@proxy:3128: no"))
		v.pour(v.some("water.still", "", ""), 100_000)
		for i := range 3 * ringLines {
			v.a.log.Info("a long line", slog.String("text", strings.Repeat("x", 400)), slog.Int("n", i))
		}
		b, err := d.File(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > api.MaxDiag {
			t.Errorf("%d bytes", len(b))
		}
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		r := tar.NewReader(z)
		got := map[string]string{}
		for {
			head, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			dir, name, ok := strings.Cut(head.Name, "/")
			if !ok || !strings.HasPrefix(dir, "fountain-diag-V-1-") || head.Size > diagFile {
				t.Errorf("%s, %d bytes", head.Name, head.Size)
			}
			got[name] = string(body)
			if strings.Contains(string(body), secret) {
				t.Errorf("%s tells the password", name)
			}
		}
		for name, want := range map[string]string{
			"status.json": `"serial": "V-1"`, "snapshot.json": `"unit": "ready"`, "overview.json": `"todos"`, "config.json": `http://unit@proxy:3128`,
			"alarms.json": `"remedy"`, "setup.json": `"steps"`, "cartridges.json": `"slot"`, "lines.json": `"kind"`, "audit.json": "", "log.txt": "a long line",
			"metrics.txt": "fountain_ready 1",
		} {
			if !strings.Contains(got[name], want) {
				t.Errorf("%s has no %s: %.200s", name, want, got[name])
			}
		}
		if !strings.Contains(got["log.txt"], fmt.Sprintf("n=%d", 3*ringLines-1)) {
			t.Error("the newest line is missing")
		}
		for range 40 {
			v.a.board.Set(alarm.Alarm{Name: alarm.PartGone, Scope: strings.Repeat("ä", 5) + fmt.Sprint(time.Now().UnixNano())})
			time.Sleep(time.Millisecond)
		}
		text, err := d.Short(context.Background())
		if err != nil || len(text) > api.MaxDiagShort || !utf8.ValidString(text) || !strings.HasPrefix(text, "FN1 V-1 ") || strings.Contains(text, secret) {
			t.Errorf("%d bytes %v: %s", len(text), err, text)
		}
		t.Log(text)
	})
}

// TestHide: no part of a password passes, whatever stands in it.
func TestHide(t *testing.T) {
	for in, want := range map[string]string{
		"dial http://unit:hunter2@proxy:3128: no":     "dial http://unit:(secret)@proxy:3128: no",
		"dial http://unit:hun@ter2@proxy:3128: no":    "dial http://unit:(secret)@proxy:3128: no",
		`parse "http://unit:hun@ter2@proxy:x": port`:  `parse "http://unit:(secret)@proxy:x": port`,
		"http://a:b@c:1 and mqtts://d:8883, ada@home": "http://a:(secret)@c:1 and mqtts://d:8883, ada@home",
	} {
		if got := hide(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// TestLogRing: the last lines, in order, numbered without a hole, also when many write; what was asked for and is gone is
// counted.
func TestLogRing(t *testing.T) {
	var out bytes.Buffer
	ring := newLogRing()
	log := slog.New(tee{Handler: slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}), ring: ring})
	log.Debug("nobody keeps it")
	log.With("who", "agent").WithGroup("g").Info("first", slog.String("a", "b c"), slog.Group("in", slog.Int("n", 1)), slog.Any("secret", hidden{}))
	log.Warn("second -----BEGIN PRIVATE KEY-----\nabc", slog.String("url", "http://u:"+secret+"@h/"))
	got, err := ring.Logs(0, "")
	if err != nil || len(got.Entries) != 2 || got.Next != 2 || got.Lost != 0 {
		t.Fatalf("%+v %v", got, err)
	}
	if l := got.Entries[0]; l.N != 1 || l.Level != "info" || l.Text != "first" || l.Attrs != `who=agent g.a="b c" g.in.n=1 g.secret=(redacted)` || l.At.IsZero() {
		t.Errorf("%+v", l)
	}
	if l := got.Entries[1]; l.Text != "second (secret)" || l.Attrs != "url=http://u:(secret)@h/" {
		t.Errorf("%+v", l)
	}
	if s := out.String(); strings.Contains(s, "first") || !strings.Contains(s, "second") {
		t.Errorf("the process's own log: %s", s)
	}
	if got, _ := ring.Logs(0, "warn"); len(got.Entries) != 1 || got.Entries[0].N != 2 {
		t.Errorf("%+v", got)
	}
	if got, _ := ring.Logs(2, ""); len(got.Entries) != 0 || got.Next != 2 {
		t.Errorf("%+v", got)
	}
	if got, _ := ring.Logs(99, ""); len(got.Entries) != 2 {
		t.Errorf("a number of an older agent: %+v", got)
	}
	if _, err := ring.Logs(0, "loud"); problem.From(err).Code != problem.CodeBadRequest {
		t.Errorf("%v", err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range ringLines {
				log.Info(strings.Repeat("ü", 400), slog.Int("w", w), slog.Int("i", i))
			}
		})
	}
	wg.Wait()
	got, _ = ring.Logs(2, "")
	if len(got.Entries) != ringLines || got.Next != 2+4*ringLines || got.Lost != 3*ringLines {
		t.Fatalf("%d lines, next %d, lost %d", len(got.Entries), got.Next, got.Lost)
	}
	for i, l := range got.Entries {
		if l.N != got.Next-uint64(ringLines-1-i) || len(l.Text) > lineBytes || !utf8.ValidString(l.Text) {
			t.Fatalf("place %d: %+v", i, l)
		}
	}
	if err := (tee{Handler: slog.DiscardHandler, ring: ring}).Handle(context.Background(), slog.Record{Message: "bare"}); err != nil {
		t.Error(err)
	}
}

type hidden struct{}

// LogValue implements slog.LogValuer.
func (hidden) LogValue() slog.Value { return slog.StringValue("(redacted)") }
