package panel_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fountain/hal"
	"fountain/hal/sim"
	"fountain/hal/sim/panel"
)

func newPanel(t *testing.T) (*sim.Plant, *httptest.Server, *int) {
	t.Helper()
	p, err := sim.NewPlant(sim.Config{Seed: 3, Live: true})
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	s := httptest.NewServer(panel.Handler(p, func() { changes++ }))
	t.Cleanup(s.Close)
	return p, s, &changes
}

func TestRequests(t *testing.T) {
	p, srv, changes := newPanel(t)
	for _, tt := range []struct {
		name, method, path, body string
		header                   map[string]string
		status                   int
		contains                 string
	}{
		{"page", "GET", "/", "", nil, 200, "Press E-stop"},
		{"state", "GET", "/v1/state", "", nil, 200, `"seed":3`},
		{"fault", "POST", "/v1/faults", `{"kind":"door","on":true}`, nil, 200, `"tripped":["door"]`},
		{"end of fault", "POST", "/v1/faults", `{"kind":"door","on":false}`, nil, 200, `"tripped":[]`},
		{"cup away", "POST", "/v1/faults", `{"kind":"cup-removed","on":true}`, nil, 200, `"present":false`},
		{"new cup", "POST", "/v1/cup", `{"do":"new"}`, nil, 200, `"present":true`},
		{"tray", "POST", "/v1/tray", `{"do":"empty"}`, nil, 200, `"tray_ul":0`},
		{"cartridge", "POST", "/v1/cartridges", `{"slot":"s05","ingredient":"tea.green","volume_ul":700000}`, nil, 200, `"level_ul":700000`},
		{"kinds", "GET", "/v1/faults", "", nil, 200, `"kind":"weep"`},
		{"every kind on the page", "GET", "/", "", nil, 200, `data-fault="valve-power-cut"`},
		{"fault with numbers", "POST", "/v1/faults", `{"kind":"weep","part":"still","amount":90,"for_ns":60000000000,"on":true}`, nil, 200, `"amount":90`},
		{"swapped", "POST", "/v1/faults", `{"kind":"valves-swapped","part":"still","with":"sparkling","on":true}`, nil, 200, `"with":"sparkling"`},
		{"swapped with itself", "POST", "/v1/faults", `{"kind":"valves-swapped","part":"still","with":"still","on":true}`, nil, 400, "no such part"},
		{"all right again", "POST", "/v1/faults/clear", `{"do":"all"}`, nil, 200, `"faults":[]`},
		{"too much", "POST", "/v1/faults", `{"kind":"half-flow","part":"still","amount":3,"on":true}`, nil, 400, "not between"},
		{"no amount to give", "POST", "/v1/faults", `{"kind":"door","amount":3,"on":true}`, nil, 400, "takes no amount"},
		{"unknown fault", "POST", "/v1/faults", `{"kind":"fire","on":true}`, nil, 400, "no such kind"},
		{"unknown part", "POST", "/v1/faults", `{"kind":"stuck-open","part":"x","on":true}`, nil, 400, "no such part"},
		{"unknown slot", "POST", "/v1/cartridges", `{"slot":"s99","ingredient":"tea.green","volume_ul":1}`, nil, 400, "no such part"},
		{"unknown word", "POST", "/v1/cup", `{"do":"smash"}`, nil, 400, "not known"},
		{"unknown field", "POST", "/v1/cup", `{"do":"new","now":1}`, nil, 400, "unknown field"},
		{"form", "POST", "/v1/cup", `do=new`, map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415, "json"},
		{"foreign page", "POST", "/v1/cup", `{"do":"new"}`, map[string]string{"Origin": "https://evil.example"}, 403, "origin"},
		{"foreign site", "POST", "/v1/cup", `{"do":"new"}`, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, "origin"},
		{"foreign host", "GET", "/v1/state", "", map[string]string{"Host": "evil.example"}, 403, "name"},
		{"nothing", "GET", "/v2/state", "", nil, 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, srv.URL+tt.path, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			for k, v := range tt.header {
				req.Header.Set(k, v)
			}
			if h := tt.header["Host"]; h != "" {
				req.Host = h
			}
			before := *changes
			resp, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var b strings.Builder
			if _, err := bufio.NewReader(resp.Body).WriteTo(&b); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != tt.status || !strings.Contains(b.String(), tt.contains) {
				t.Errorf("%s, want %d with %q:\n%.300s", resp.Status, tt.status, tt.contains, b.String())
			}
			if ok := tt.method == "POST" && tt.status == 200; ok != (*changes == before+1) {
				t.Errorf("owners were told %d times", *changes-before)
			}
		})
	}
	if n := len(p.State().Faults); n != 0 {
		t.Errorf("%d faults left", n)
	}
}

// The page offers every kind of fault that the machine has parts for, and names what it may strike.
func TestPageOffersEveryFault(t *testing.T) {
	_, srv, _ := newPanel(t)
	resp, err := srv.Client().Get(srv.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if _, err := bufio.NewReader(resp.Body).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	rig := sim.DemoRig()
	has := map[hal.Kind]bool{sim.PartMachine: true, sim.PartChip: true, sim.PartOwner: true}
	for _, p := range rig.Parts() {
		has[p.Kind] = true
	}
	for _, info := range sim.Faults() {
		if got := strings.Contains(b.String(), `data-fault="`+string(info.Kind)+`"`); got != has[info.Part] {
			t.Errorf("%s on the page: %v, want %v", info.Kind, got, has[info.Part])
		}
	}
	for _, part := range []string{"<option>still</option>", "<option>flow_sparkling</option>", "<option>p80</option>", "<option>d5</option>", "<option>guard</option>", "ml/h"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the page lacks %s", part)
		}
	}
}

func TestEvents(t *testing.T) {
	p, srv, _ := newPanel(t)
	resp, err := srv.Client().Get(srv.URL + "/v1/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewReader(resp.Body)
	next := func() (s sim.State) {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &s); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if _, err := in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := next(); !s.Cup.Present {
		t.Error("no cup at the start")
	}
	if err := p.Inject(sim.Fault{Kind: sim.CupRemoved}); err != nil {
		t.Fatal(err)
	}
	if s := next(); s.Cup.Present {
		t.Error("the change was not told")
	}
}
