package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/internal/problem"
)

const samples = "../../testdata/config"

func TestDemo(t *testing.T) {
	c, err := Load(filepath.Join(samples, "demo.yaml"), []string{"FOUNTAIN_CLOUD_ENDPOINTS_FILE=/tmp/d/endpoints.json", "FOUNTAIN_UNIT_SERIAL=demo-0002", "PATH=/bin"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Unit.Serial != "demo-0002" || c.Cloud.EndpointsFile != "/tmp/d/endpoints.json" || !c.Cloud.Configured() || c.Rig != RigSim {
		t.Errorf("got %+v", c)
	}
	if got := c.Location().String(); got != "Europe/Berlin" {
		t.Errorf("location %s", got)
	}
	for key, want := range map[string]Origin{
		"unit.serial":          {FromEnv, "FOUNTAIN_UNIT_SERIAL"},
		"unit.venue":           {FromFile, filepath.Join(samples, "demo.yaml") + ":7"},
		"pour.sizes":           {FromFile, filepath.Join(samples, "demo.yaml") + ":26"},
		"sync.window":          {FromDefault, ""},
		"cloud.endpoints_file": {FromEnv, "FOUNTAIN_CLOUD_ENDPOINTS_FILE"},
	} {
		if got := c.Origin(key); got != want {
			t.Errorf("origin of %s: %v, want %v", key, got, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	for _, path := range []string{"", filepath.Join(samples, "good/empty.yaml"), filepath.Join(samples, "good/hollow.yaml")} {
		c, err := Load(path, nil)
		if err != nil {
			t.Fatalf("%q: %v", path, err)
		}
		want := &Config{
			File: path, origins: c.origins,
			Unit: Unit{Timezone: "UTC", Language: "en", Languages: []string{}, Units: "ml", Mixes: true}, Rig: "sim", Cloud: Cloud{Enabled: true, RenewBefore: 60 * 24 * time.Hour},
			Sync:   Sync{DrainRate: 10, Linger: time.Second, Rule: "fountain_consumption", Window: 20, LedgerInterval: 15 * time.Minute},
			Pour:   Pour{Sizes: []Size{{"small", 355}, {"medium", 473}, {"large", 710}}, MaxML: 1000},
			Limits: DefaultLimits(), Stock: DefaultStock(),
			API: API{Metrics: true},
			Log: Log{Level: "info", Format: "text", Rotation: Rotation{10, 720 * time.Hour, 5}},
		}
		want.base = c.base // what was read, not what it means
		if diff := cmp.Diff(want, c, cmp.AllowUnexported(Config{}, base{}, source{})); diff != "" {
			t.Errorf("%q: %s", path, diff)
		}
		if c.Cloud.Configured() {
			t.Error("a cloud without an endpoint counts as configured")
		}
	}
}

// Every key of the table can be set in the file and reaches its field.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	b, err := os.ReadFile(filepath.Join(samples, "good/full.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "full.yaml")
	for name, body := range map[string][]byte{path: b, filepath.Join(dir, "catalogue.json"): nil, filepath.Join(dir, "planogram.json"): nil, filepath.Join(dir, "rig.yaml"): nil} {
		if err := os.WriteFile(name, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	want := &Config{
		File: path, origins: c.origins,
		Unit:      Unit{"FN-2026-000417", "Terminal 2, gate B14", "America/New_York", "es-US", []string{"es-US", "en", "fr-CA"}, "fl_oz", "217.2x135.8", "https://pour.example/u/417", false, "plughw:1,0"},
		Catalogue: FileRef{in("catalogue.json")}, Planogram: FileRef{in("planogram.json")}, Rig: in("rig.yaml"),
		Cloud: Cloud{false, in("endpoints.json"), "abc-ats.iot.us-east-1.amazonaws.com:8883", in("ca.pem"), in("claim.pem"), in("claim.key"), "fountain-unit", "http://unit:letmeout@proxy.venue.example:3128", 60 * 24 * time.Hour},
		Sync:  Sync{80, 2500 * time.Millisecond, "consumption_v2", 50, time.Hour},
		Pour:  Pour{[]Size{{"taste", 50}, {"cup", 300.5}}, 700},
		Limits: Limits{
			5, 7, 1, 2, 25, 0.25, 3 * time.Minute, 500, 350, 100, 600, 10, 20 * time.Second, 90 * time.Second, 30 * time.Second,
		},
		Stock: Stock{20, 14},
		Log:   Log{"debug", "json", in("fountaind.log"), Rotation{25, 168 * time.Hour, 0}},
	}
	want.base = c.base // what was read, not what it means
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(Config{}, base{}, source{})); diff != "" {
		t.Error(diff)
	}
	for _, k := range keys() {
		if o := c.Origin(k.path); o.Kind != FromFile {
			t.Errorf("%s is not set by full.yaml: %v", k.path, o)
		}
	}
}

func TestEnvironmentSetsEveryKind(t *testing.T) {
	c, err := Load("", []string{
		"FOUNTAIN_SYNC_DRAIN_RATE=40", "FOUNTAIN_SYNC_LINGER=250ms", "FOUNTAIN_API_METRICS=false",
		"FOUNTAIN_POUR_SIZES=small:200,large:400.5", "FOUNTAIN_LOG_LEVEL=debug", "FOUNTAIN_LIFELINE_FD=3",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Sync.DrainRate != 40 || c.Sync.Linger != 250*time.Millisecond || c.API.Metrics || c.Log.Level != "debug" {
		t.Errorf("got %+v", c)
	}
	if diff := cmp.Diff([]Size{{"small", 200}, {"large", 400.5}}, c.Pour.Sizes); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		file string
		env  []string
		want []string // each: where|what|remedy, as substrings, in order
	}{
		{"bad/unknown-key.yaml", nil, []string{
			"unknown-key.yaml:4|unknown key sync.drain-rate|did you mean sync.drain_rate?",
			"unknown-key.yaml:5|unknown key colour|check-config --print",
		}},
		{"bad/types.yaml", nil, []string{
			`types.yaml:2|unit.serial must be text, not "4711"|put it in quotes: "4711"`,
			`types.yaml:4|sync.drain_rate must be a whole number, not "ten"|to have 10`,
			`types.yaml:5|sync.linger must be a duration such as 500ms, 1s or 15m, not "5"|to have 1s`,
			`types.yaml:6|sync.window must be a whole number, not "2.5"|`,
			`types.yaml:8|api.metrics must be true or false, not "yes please"|`,
			`types.yaml:10|pour.sizes must be a list of {id, ml}, not "355"|{id: small, ml: 355}`,
			`types.yaml:11|log must hold keys|`,
		}},
		{"bad/ranges.yaml", nil, []string{
			`ranges.yaml:2|unit.serial is "no spaces please"|letters, digits`,
			`ranges.yaml:3|unit.timezone is "Mars/Olympus"|Europe/Berlin`,
			`ranges.yaml:5|cloud.mqtt is "localhost"|host:port`,
			`ranges.yaml:7|sync.drain_rate is 100|between 1 and 80`,
			`ranges.yaml:8|sync.linger is 2h0m0s|between 0s and 1m0s`,
			`ranges.yaml:12|log.level is "chatty"|debug, info, warn, error`,
			`pour.sizes|medium is 473 ml, more than pour.max_ml 400|`,
			`pour.sizes|large is 710 ml, more than pour.max_ml 400|`,
			`cloud.ca|empty|`, `cloud.claim_cert|empty|`, `cloud.claim_key|empty|`, `cloud.template|empty|`,
		}},
		{"bad/screen.yaml", nil, []string{
			`screen.yaml:6|unit.mixes must be true or false, not "maybe"|`,
			`screen.yaml:2|unit.languages is [en, english]|"english" must be a language tag`,
			`screen.yaml:3|unit.units is "pints"|ml, fl_oz, both`,
			`screen.yaml:4|unit.panel_mm is "20x30"|width x height`,
			`screen.yaml:5|unit.phone_url is "javascript:alert(1)"|web address`,
			`screen.yaml:7|unit.speech is "; rm"|audio device`,
			`screen.yaml:9|cloud.proxy is "https://user@proxy:3128"|http://host:port`,
		}},
		{"bad/sizes.yaml", nil, []string{`sizes.yaml:2|pour.sizes|id "small" appears twice`}},
		{"bad/twice.yaml", nil, []string{`twice.yaml:3|sync is set twice, first in line 1|delete`}},
		{"bad/syntax.yaml", nil, []string{`syntax.yaml:2|not YAML|not tabs`}},
		{"bad/list.yaml", nil, []string{`list.yaml:1|the file must hold keys|`}},
		{"bad/documents.yaml", nil, []string{`documents.yaml|more than one document|---`}},
		{"bad/no-value.yaml", nil, []string{`no-value.yaml:2|sync.window has no value|to have 20`}},
		{"bad/missing-files.yaml", nil, []string{
			`missing-files.yaml:1|rig: there is no file|path`, `missing-files.yaml:3|catalogue.file: there is no file|path`,
		}},
		{"bad/secret.yaml", nil, []string{
			`secret.yaml:2|cloud.claim_key must be text, not this list|`, `secret.yaml:3|cloud.template is "(secret)"|`,
		}},
		{"bad/cloud-half.yaml", nil, []string{`cloud.ca|`, `cloud.claim_cert|`, `cloud.claim_key|`, `cloud.template|`}},
		{"no-such-file.yaml", nil, []string{`no-such-file.yaml|cannot be read: no such file|check the path`}},
		{"", []string{"FOUNTAIN_SYNC_DRAINRATE=5"}, []string{"FOUNTAIN_SYNC_DRAINRATE|unknown variable|did you mean FOUNTAIN_SYNC_DRAIN_RATE?"}},
		{"", []string{"FOUNTAIN_SYNC_WINDOW=many"}, []string{`FOUNTAIN_SYNC_WINDOW|sync.window must be a whole number, not "many"|`}},
		{"", []string{"FOUNTAIN_SYNC_WINDOW=1000"}, []string{`FOUNTAIN_SYNC_WINDOW|sync.window is 1000|between 1 and 50`}},
		{"", []string{"FOUNTAIN_RIG=other.yaml", "FOUNTAIN_POUR_MAX_ML=2000"}, []string{
			`FOUNTAIN_POUR_MAX_ML|pour.max_ml cannot be set by the environment|`, `FOUNTAIN_RIG|rig cannot be set by the environment|`,
		}},
		{"", []string{"FOUNTAIN_CLOUD_ENDPOINTS_FILE=/e.json"}, []string{`unit.serial|unit.serial is empty|`}},
	} {
		t.Run(c.file+strings.Join(c.env, " "), func(t *testing.T) {
			path := c.file
			if path != "" {
				path = filepath.Join(samples, path)
			}
			cfg, got := Check(path, c.env)
			if cfg != nil {
				t.Error("a configuration was returned all the same")
			}
			for i, p := range got {
				t.Logf("%v", p)
				if p.Code != problem.CodeBadConfig || p.Remedy == "" || p.Where == "" {
					t.Errorf("problem %d: %+v", i, p)
				}
				if strings.Contains(p.Error(), "-----BEGIN") {
					t.Error("a secret was printed")
				}
			}
			if len(got) != len(c.want) {
				t.Fatalf("%d problems, want %d", len(got), len(c.want))
			}
			for i, w := range c.want {
				parts := strings.SplitN(w+"||", "|", 4)
				if p := got[i]; !strings.Contains(p.Where, parts[0]) || !strings.Contains(p.What, parts[1]) || !strings.Contains(p.Remedy, parts[2]) {
					t.Errorf("problem %d: %v\nwant %s", i, p, w)
				}
			}
			_, err := Load(path, c.env)
			if problem.ExitCode(err) != 2 {
				t.Errorf("Load: %v, exit code %d, want 2", err, problem.ExitCode(err))
			}
			if len(got) > 1 && !strings.Contains(err.Error(), "more: fountaind check-config") {
				t.Errorf("Load hides the others: %v", err)
			}
		})
	}
}

func TestEverySampleIsTested(t *testing.T) {
	src, err := os.ReadFile("config_test.go")
	if err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(filepath.Join(samples, "*", "*.yaml"))
	if err != nil || len(list) < 10 {
		t.Fatal(list, err)
	}
	for _, f := range list {
		name := filepath.Base(filepath.Dir(f)) + "/" + filepath.Base(f)
		if !bytes.Contains(src, []byte(`"`+name+`"`)) {
			t.Errorf("no test reads %s", name)
		}
	}
}

func TestPrint(t *testing.T) {
	c, err := Load(filepath.Join(samples, "demo.yaml"), []string{"FOUNTAIN_SYNC_WINDOW=7", "FOUNTAIN_CLOUD_CA=-----BEGIN CERTIFICATE-----"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	for _, want := range []string{
		"sync.window:", "7 ", "# env FOUNTAIN_SYNC_WINDOW", "demo.yaml:23", "# default", "[{id: small, ml: 355}, ", `"(secret)"`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := strings.Count(out, "\n"); n != len(keys()) || strings.Contains(out, "BEGIN") {
		t.Errorf("%d lines for %d keys:\n%s", n, len(keys()), out)
	}
}

// No bytes make the loader panic, and what it accepts is sane.
func FuzzLoad(f *testing.F) {
	list, err := filepath.Glob(filepath.Join(samples, "*", "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range append(list, filepath.Join(samples, "demo.yaml")) {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("pour: {sizes: [{id: a, ml: .nan}]}"))
	f.Add([]byte("a: &a [*a]\nunit: *a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems := Check(path, nil)
		if (c == nil) == (len(problems) == 0) {
			t.Fatal("neither a configuration nor a problem")
		}
		if c != nil && (c.Sync.DrainRate < 1 || c.Sync.DrainRate > 80 || len(c.Pour.Sizes) == 0) {
			t.Errorf("accepted %+v", c)
		}
	})
}
