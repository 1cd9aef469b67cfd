package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func shadowOf(version int64, desired string) Shadow {
	return Shadow{Version: version, Desired: json.RawMessage(desired)}
}

// Defaults < file < environment < config shadow < technician, and every value knows where it is from.
func TestCloudStandsBetweenEnvironmentAndTechnician(t *testing.T) {
	dir := t.TempDir()
	l := Layers{
		File: filepath.Join(samples, "demo.yaml"), Environ: []string{"FOUNTAIN_UNIT_TIMEZONE=Asia/Tokyo", "FOUNTAIN_SYNC_DRAIN_RATE=7"},
		Cloud: filepath.Join(dir, CloudName), Technician: filepath.Join(dir, TechnicianName),
	}
	s := shadowOf(12, `{"unit":{"timezone":"America/Lima","language":"de","units":null},"sync":{"drain_rate":40,"linger":"2000ms"},"pour":{"sizes":[{"id":"s","ml":250.5}]}}`)
	if err := KeepShadow(l.Cloud, s); err != nil {
		t.Fatal(err)
	}
	if err := SetTechnician(l.Technician, "unit.language", "fr"); err != nil {
		t.Fatal(err)
	}
	c, err := LoadLayers(l)
	if err != nil || len(c.CloudRefused)+len(c.Refused) > 0 {
		t.Fatal(err, c.CloudRefused, c.Refused)
	}
	if c.Unit.Timezone != "America/Lima" || c.Unit.Language != "fr" || c.Sync.DrainRate != 40 || c.Sync.Linger != 2*time.Second || !slices.Equal(c.Pour.Sizes, []Size{{"s", 250.5}}) {
		t.Errorf("%+v %+v %+v", c.Unit, c.Sync, c.Pour)
	}
	for key, kind := range map[string]string{"unit.timezone": FromCloud, "unit.language": FromTechnician, "sync.drain_rate": FromCloud, "unit.units": FromFile} {
		if o := c.Origin(key); o.Kind != kind {
			t.Errorf("%s comes from %+v", key, o)
		}
	}
	if o := c.Origin("unit.timezone"); o.Where != "config shadow, version 12" {
		t.Errorf("origin %+v", o)
	}
	applied, _ := json.Marshal(c.Applied(s))
	if want := `{"pour":{"sizes":[{"id":"s","ml":250.5}]},"sync":{"drain_rate":40,"linger":"2000ms"},"unit":{"timezone":"America/Lima"}}`; string(applied) != want {
		t.Errorf("applied %s", applied)
	}
	if over := c.Overridden(s); !slices.Equal(over, []string{"unit.language"}) {
		t.Errorf("overridden %v", over)
	}

	// While it runs: what is said no more falls back, and the Config of the start stays as it was.
	next, refused := c.Now(shadowOf(13, `{"sync":{"drain_rate":80},"unit":{"mixes":false}}`), l.Technician)
	if refused != nil || next.Sync.DrainRate != 80 || next.Unit.Timezone != "Asia/Tokyo" || next.Sync.Linger != time.Second || next.Unit.Mixes || next.Unit.Language != "fr" || len(next.Pour.Sizes) != 3 {
		t.Errorf("%v %+v %+v", refused, next.Unit, next.Sync)
	}
	if c.Sync.DrainRate != 40 || !c.Unit.Mixes || c.Origin("sync.linger").Kind != FromCloud {
		t.Error("the first one was changed")
	}
	if d := next.Differs(c); !slices.Equal(d, []string{"unit.timezone", "unit.mixes", "sync.drain_rate", "sync.linger", "pour.sizes"}) {
		t.Errorf("differs in %v", d)
	}
}

// A desired state is used as a whole or not at all, and what is wrong is told by its key.
func TestCloudIsTakenWholeOrRefused(t *testing.T) {
	c, err := LoadLayers(Layers{File: filepath.Join(samples, "demo.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct{ desired, key, what string }{
		{`{"rig":"/etc/other.yaml"}`, "rig", "not the cloud's"},
		{`{"pour":{"max_ml":2000}}`, "pour.max_ml", "not the cloud's"},
		{`{"limits":{"water_block_c":60}}`, "limits.water_block_c", "not the cloud's"},
		{`{"cloud":{"mqtt":"a.example:8883,b.example"}}`, "cloud.mqtt", "cloud.mqtt is"},
		{`{"cloud":{"ca":"/tmp/evil.pem"}}`, "cloud.ca", "not the cloud's"},
		{`{"cloud":{"proxy":"http://evil:1"}}`, "cloud.proxy", "not the cloud's"},
		{`{"log":{"file":"/etc/passwd"}}`, "log.file", "not the cloud's"},
		{`{"unit":{"serial":"X"}}`, "unit.serial", "not the cloud's"},
		{`{"unit":{"langauge":"de"}}`, "unit.langauge", "unknown key"},
		{`{"unit":"de"}`, "unit", "unknown key"},
		{`{"unit":{"language":7}}`, "unit.language", "must be text"},
		{`{"unit":{"language":{"a":1}}}`, "unit.language", "must be text"},
		{`{"unit":{"language":"german"}}`, "unit.language", "german"},
		{`{"unit":{"languages":["de",1]}}`, "unit.languages", "list of words"},
		{`{"unit":{"phone_url":"javascript:x"}}`, "unit.phone_url", "javascript"},
		{`{"sync":{"drain_rate":81}}`, "sync.drain_rate", "81"},
		{`{"sync":{"drain_rate":1.5}}`, "sync.drain_rate", "whole number"},
		{`{"sync":{"drain_rate":"9"}}`, "sync.drain_rate", "whole number"},
		{`{"sync":{"linger":5}}`, "sync.linger", "duration"},
		{`{"pour":{"sizes":[{"id":"a","ml":1500}]}}`, "pour.sizes", "max_ml"},
		{`{"pour":{"sizes":[{"id":"a","ml":250,"x":1}]}}`, "pour.sizes", "list of {id, ml}"},
		{`[1]`, "desired", "no object"},
	} {
		for _, desired := range []string{bad.desired, strings.Replace(bad.desired, "{", `{"zz_good":null,`, 1)} {
			next, refused := c.Now(shadowOf(1, desired), "")
			if next != nil || len(refused) == 0 || refused[0].Where != bad.key || !strings.Contains(refused[0].What, bad.what) || refused[0].Remedy == "" {
				t.Errorf("%s: %v", desired, refused)
			}
			if bad.key == "desired" {
				break
			}
		}
	}
	for _, silent := range []string{``, `null`, `{}`, `{"unit":null,"sync":{"linger":null}}`} {
		if next, refused := c.Now(shadowOf(1, silent), ""); refused != nil || len(next.Differs(c)) > 0 {
			t.Errorf("%s: %v", silent, refused)
		}
	}
}

// A kept state that is no good, or does not go together with what a technician has set, never keeps a unit from starting.
func TestKeptCloudRefused(t *testing.T) {
	dir := t.TempDir()
	l := Layers{File: filepath.Join(samples, "demo.yaml"), Cloud: filepath.Join(dir, CloudName), Technician: filepath.Join(dir, TechnicianName)}
	if err := SetTechnician(l.Technician, "unit.language", "fr"); err != nil {
		t.Fatal(err)
	}
	for _, kept := range []string{`{"version":3,"desired":{"unit":{"language":"german"}}}`, `{"version":3,"desired":{"sync":{"drain_rate":99}}}`, `{`, `{"version":3,"desired":{"rig":"x"}}`} {
		if err := os.WriteFile(l.Cloud, []byte(kept), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadLayers(l)
		if err != nil {
			t.Fatal(kept, err)
		}
		if c.Unit.Language != "fr" || len(c.CloudRefused) == 0 || len(c.Refused) > 0 || c.Sync.DrainRate == 99 {
			t.Errorf("%s: %+v, cloud refused %v, technician refused %v", kept, c.Unit, c.CloudRefused, c.Refused)
		}
	}
}

// Every key that may be set from far away has a place to be set, and none of them is a limit or a secret.
func TestKeysOfTheCloud(t *testing.T) {
	c := &Config{}
	for _, k := range keys() {
		if (k.cloud || k.tech) && c.field(k.path) == nil {
			t.Errorf("%s has no field", k.path)
		}
		if k.cloud && k.file {
			t.Errorf("%s decides what the machine may do", k.path)
		}
		if k.cloud && (strings.HasPrefix(k.path, "cloud.") && k.path != "cloud.mqtt" || // it has to prove itself first
			strings.HasPrefix(k.path, "limits.") || strings.HasPrefix(k.path, "rig")) {
			t.Errorf("%s is not for the cloud", k.path)
		}
	}
}

func FuzzShadow(f *testing.F) {
	f.Add([]byte(`{"unit":{"language":"de","languages":["a"]},"sync":{"drain_rate":1,"linger":"1s"},"pour":{"sizes":[{"id":"a","ml":1}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Shadow{Desired: b}
		src, problems := s.source()
		if len(problems) > 0 && len(src.values) > 0 {
			t.Error("refused and used")
		}
		for path := range src.values {
			if s.raw(path) == nil {
				t.Errorf("%s has no text", path)
			}
		}
	})
}
