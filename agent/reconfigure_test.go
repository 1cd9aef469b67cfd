package agent

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fountain/agent/alarm"
	"fountain/agent/api"
	"fountain/agent/config"
	"fountain/sync/wire"
)

// configReported is what the unit has reported of its configuration.
func (c *localCloud) configReported(thing string) (st wire.ConfigReport, applied string) {
	c.t.Helper()
	rep := map[string]json.RawMessage{}
	c.reported(thing, wire.ConfigShadow, &rep)
	if raw := rep[wire.ConfigStatus]; raw != nil {
		if err := json.Unmarshal(raw, &st); err != nil {
			c.t.Fatal(err)
		}
	}
	delete(rep, wire.ConfigStatus)
	b, err := json.Marshal(rep)
	if err != nil {
		c.t.Fatal(err)
	}
	return st, string(b)
}

// TestConfigShadow: good keys count at once or are told to wait for a restart, a bad document changes nothing and says
// why, a technician wins, and all of it outlives a restart without a network.
func TestConfigShadow(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		thing := v.thing()
		awaitReport := func(what string, ok func(st wire.ConfigReport, applied string) bool) {
			v.t.Helper()
			v.await(what, 5*time.Second, func() bool { return ok(c.configReported(thing)) })
		}
		explain := func(key string) api.ConfigValue {
			v.t.Helper()
			list, err := settings{v.a}.List()
			i := slices.IndexFunc(list, func(v api.ConfigValue) bool { return v.Key == key })
			if err != nil || i < 0 {
				v.t.Fatal(key, err)
			}
			return list[i]
		}
		c.desire(thing, wire.ConfigShadow, `{"unit":{"language":"de","mixes":true,"timezone":"Asia/Tokyo"},"sync":{"drain_rate":3},"log":{"level":"debug"}}`)
		awaitReport("it is applied", func(st wire.ConfigReport, applied string) bool {
			return applied == `{"log":{"level":"debug"},"sync":{"drain_rate":3},"unit":{"language":"de","mixes":true,"timezone":"Asia/Tokyo"}}` &&
				len(st.Refused) == 0 && slices.Equal(st.Restart, []string{"unit.timezone"})
		})
		if s := v.a.view.Snapshot(); s.Language != "de" || !s.Mixes {
			t.Errorf("the screen has %s, mixes %v", s.Language, s.Mixes)
		}
		if l := v.a.loglevel.v.Level(); l != slog.LevelDebug {
			t.Errorf("log level %v", l)
		}
		if row := explain("unit.language"); row.Origin != config.FromCloud || row.Value != "de" || !row.Cloud {
			t.Errorf("%+v", row)
		}
		if row := explain("unit.timezone"); row.Next != "Asia/Tokyo" {
			t.Errorf("%+v", row)
		}
		good, _ := c.configReported(thing)

		c.desire(thing, wire.ConfigShadow, `{"unit":{"language":"ja"},"pour":{"max_ml":5000},"rig":"other"}`)
		awaitReport("it is refused", func(st wire.ConfigReport, applied string) bool {
			return len(st.Refused) == 2 && st.Refused[0].Key == "pour.max_ml" && st.Refused[1].Key == "rig" && st.Version > good.Version
		})
		c.valid(thing, wire.ConfigShadow)
		if s := v.a.view.Snapshot(); s.Language != "de" {
			t.Errorf("a refused document made the screen %s", s.Language)
		}
		v.await("the crew sees it", 3*time.Second, func() bool { return v.a.board.Has(alarm.ConfigRefused, "") })
		c.desire(thing, wire.ConfigShadow, `{"pour":null,"rig":null}`)
		awaitReport("it is good again", func(st wire.ConfigReport, _ string) bool { return len(st.Refused) == 0 })
		if s := v.a.view.Snapshot(); s.Language != "ja" {
			t.Errorf("the screen has %s", s.Language)
		}

		if _, err := (settings{v.a}).Set("unit.language", api.SetConfig{Value: "fr", Person: "ada"}); err != nil {
			t.Fatal(err)
		}
		awaitReport("the technician wins", func(st wire.ConfigReport, _ string) bool {
			return slices.Equal(st.Overridden, []string{"unit.language"})
		})
		if s := v.a.view.Snapshot(); s.Language != "fr" {
			t.Errorf("the screen has %s", s.Language)
		}
		c.desire(thing, wire.ConfigShadow, `{"sync":null,"log":null}`)
		awaitReport("what is not named falls back", func(_ wire.ConfigReport, applied string) bool {
			return applied == `{"unit":{"mixes":true,"timezone":"Asia/Tokyo"}}`
		})

		dir := v.a.cfg.State
		loaded, err := config.LoadLayers(config.Layers{Cloud: filepath.Join(dir, config.CloudName), Technician: filepath.Join(dir, config.TechnicianName)})
		if err != nil || loaded.Unit.Timezone != "Asia/Tokyo" || loaded.Unit.Language != "fr" || loaded.Origin("unit.mixes").Kind != config.FromCloud {
			t.Errorf("the next start finds %+v, %v", loaded.Unit, err)
		}
		version := c.version(thing, wire.ConfigShadow)
		v.stop()
		v = c.start()
		synctest.Wait()
		time.Sleep(time.Minute)
		if now := c.version(thing, wire.ConfigShadow); now > version+1 { // the restart is not needed any more, and no more is said
			t.Errorf("%d reports without a change", now-version)
		}
	})
}

// TestLogLevelGoesBack: what was asked for has its time, and the configuration counts again after it.
func TestLogLevelGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(slog.LevelVar)
		l := newLogLevel(v)
		l.ask(slog.LevelDebug, time.Hour)
		time.Sleep(30 * time.Minute)
		l.ask(slog.LevelError, time.Hour)
		time.Sleep(31 * time.Minute)
		l.configured("warn")
		if v.Level() != slog.LevelError {
			t.Errorf("the first one's end ended the second: %v", v.Level())
		}
		time.Sleep(30 * time.Minute)
		if v.Level() != slog.LevelWarn {
			t.Errorf("it did not go back: %v", v.Level())
		}
	})
}

// TestConfigRefusalOfVeryMuch: what is refused may be nearly as large as the shadow; that it is is told all the same.
func TestConfigRefusalOfVeryMuch(t *testing.T) {
	onlineUnit(t, nil, func(v *virtual, c *localCloud) {
		c.desire(v.thing(), wire.ConfigShadow, fmt.Sprintf(`{"unit":{"venue":%q}}`, strings.Repeat("x", 6000)))
		v.await("it is told", time.Minute, func() bool {
			var rep map[string]json.RawMessage
			c.reported(v.thing(), wire.ConfigShadow, &rep)
			var st wire.ConfigReport
			return json.Unmarshal(rep[wire.ConfigStatus], &st) == nil && len(st.Refused) == 1 && st.Refused[0].Key == "unit.venue"
		})
	})
}
