package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"fountain/cloud/store"
	"fountain/sync/wire"
)

// Whoever has looked at a conflict says so: the alarm ends, it is kept by whom and when, and the next one alarms again.
func TestConflictsAreSeen(t *testing.T) {
	p := newPage(t)
	p.pour(nil)
	contradict := func(ul int64) {
		t.Helper()
		p.seq = 0 // the key is taken
		p.pour(func(r *wire.Record) { r.CountedUL = ul })
	}
	list := func() (out []store.Aside) {
		t.Helper()
		code, body := p.get("/api/conflicts")
		if err := json.Unmarshal([]byte(body), &out); code != 200 || err != nil {
			t.Fatal(code, body, err)
		}
		return out
	}
	say := func(body, kind string) (int, string) {
		t.Helper()
		resp, err := p.web.Client().Post(p.web.URL+"/api/conflicts/seen", kind, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got map[string]any
		err = json.NewDecoder(resp.Body).Decode(&got)
		return resp.StatusCode, fmt.Sprint(got["seen"], err)
	}
	red := func() bool {
		t.Helper()
		_, html := p.get("/")
		return strings.Contains(html, `class="health conflict"`)
	}
	if len(list()) != 0 || red() {
		t.Error("alarm without a conflict")
	}
	contradict(1)
	contradict(1)
	first := list()
	if len(first) != 1 || first[0].Times != 2 || first[0].Thing != "fountain-F1" || !red() {
		t.Fatalf("%+v", first)
	}
	contradict(2) // comes while somebody looks at the first
	for _, bad := range []string{`{}`, `{"by":"ada"}`, `{"by":" ","ids":["00"]}`, `{"by":"ada","ids":["x"]}`, `{"by":"ada","ids":["00"],"all":true}`, `{"by":"` + strings.Repeat("a", 65) + `","ids":["00"]}`, `no`} {
		if code, _ := say(bad, "application/json"); code != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, code)
		}
	}
	good := fmt.Sprintf(`{"by":" ada ","ids":[%q]}`, first[0].ID)
	if code, _ := say(good, "text/plain"); code != http.StatusUnsupportedMediaType {
		t.Errorf("a form of another page: %d", code)
	}
	if code, got := say(good, "application/json"); code != 200 || got != "1 <nil>" {
		t.Error(code, got)
	}
	if l := list(); len(l) != 1 || l[0].ID == first[0].ID || !red() {
		t.Errorf("%+v", l)
	}
	if _, got := say(fmt.Sprintf(`{"by":"ruiz","ids":[%q,%q]}`, first[0].ID, list()[0].ID), "application/json"); got != "1 <nil>" {
		t.Error(got)
	}
	if len(list()) != 0 || red() {
		t.Error("it stands although all were seen")
	}
	by := map[string]int64{}
	if err := p.db.KeptAside(t.Context(), func(a store.Aside) error { by[a.SeenBy] = a.Seen; return nil }); err != nil || by["ada"] == 0 || by["ruiz"] == 0 {
		t.Errorf("%v %v", by, err)
	}
	contradict(3)
	if len(list()) != 1 || !red() {
		t.Error("a new conflict is silent")
	}
}
