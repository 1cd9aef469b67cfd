package shadow

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fountain/cloud/awsiot/broker"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

// rig is a Service on a real store in virtual time, and what it published.
type rig struct {
	*Service
	t    *testing.T
	mu   sync.Mutex
	told []message
}

type message struct {
	topic string
	body  map[string]any
}

func virtually(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "cloud.db"))
		if err != nil {
			t.Fatal(err)
		}
		r := &rig{t: t}
		r.Service = New(Config{Store: db, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Publish: func(topic string, payload []byte) {
			m := message{topic: topic}
			if err := json.Unmarshal(payload, &m.body); err != nil {
				t.Errorf("%s: %v", topic, err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.told = append(r.told, m)
		}})
		f(t, r)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// send publishes a request and returns what was published of it.
func (r *rig) send(topic, payload string) []message {
	r.t.Helper()
	if !r.Serve(r.t.Context(), broker.Request{Topic: topic, Payload: []byte(payload)}) {
		r.t.Fatalf("%s is not served", topic)
	}
	return r.news()
}

func (r *rig) news() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.told
	r.told = nil
	return out
}

func topics(list []message) (out []string) {
	for _, m := range list {
		out = append(out, m.topic[strings.Index(m.topic, "/shadow/")+len("/shadow/"):])
	}
	return out
}

func obj(s string) (m map[string]any) {
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		panic(err)
	}
	return m
}

func TestUpdateTellsAcceptedDeltaAndDocuments(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		now := time.Now().Unix()
		p := wire.Shadow("u1", "config")
		got := r.send(p.Request("update"), `{"state":{"desired":{"a":1,"b":{"c":2}},"reported":{"a":1}},"clientToken":"t1","version":0}`)
		stamp := fmt.Sprintf(`{"timestamp":%d}`, now)
		want := []message{
			{p.Accepted("update"), obj(fmt.Sprintf(`{"state":{"desired":{"a":1,"b":{"c":2}},"reported":{"a":1}},
				"metadata":{"desired":{"a":%[1]s,"b":{"c":%[1]s}},"reported":{"a":%[1]s}},"version":1,"timestamp":%[2]d,"clientToken":"t1"}`, stamp, now))},
			{p.Delta(), obj(fmt.Sprintf(`{"state":{"b":{"c":2}},"metadata":{"b":{"c":%s}},"version":1,"timestamp":%d,"clientToken":"t1"}`, stamp, now))},
			{p.Documents(), obj(fmt.Sprintf(`{"previous":{"state":{},"metadata":{},"version":0},"current":{"state":{"desired":{"a":1,"b":{"c":2}},"reported":{"a":1}},
				"metadata":{"desired":{"a":%[1]s,"b":{"c":%[1]s}},"reported":{"a":%[1]s}},"version":1},"timestamp":%[2]d,"clientToken":"t1"}`, stamp, now))},
		}
		if x := cmp.Diff(want, got, cmp.AllowUnexported(message{})); x != "" {
			t.Error(x)
		}
		time.Sleep(time.Second)
		// accepted holds the fields of the request only; without a difference there is no delta.
		got = r.send(p.Request("update"), `{"state":{"desired":null,"reported":{"d":null}}}`)
		if x := cmp.Diff([]string{"name/config/update/accepted", "name/config/update/documents"}, topics(got)); x != "" {
			t.Fatal(x)
		}
		if x := cmp.Diff(obj(fmt.Sprintf(`{"state":{"desired":null,"reported":{"d":null}},"metadata":{"desired":{"timestamp":%[1]d},"reported":{"d":{"timestamp":%[1]d}}},"version":2,"timestamp":%[1]d}`, now+1)), got[0].body); x != "" {
			t.Error(x)
		}
		got = r.send(p.Request("get"), `{"clientToken":"t2"}`)
		if x := cmp.Diff([]message{{p.Accepted("get"), obj(fmt.Sprintf(`{"state":{"reported":{"a":1}},"metadata":{"reported":{"a":%s}},"version":2,"timestamp":%d,"clientToken":"t2"}`, stamp, now+1))}},
			got, cmp.AllowUnexported(message{})); x != "" {
			t.Error(x)
		}
		// As AWS answered in August 2025.
		got = r.send(p.Request("update"), `{"state":null}`)
		if x := cmp.Diff(obj(fmt.Sprintf(`{"state":null,"metadata":{"timestamp":%d},"version":3,"timestamp":%[1]d}`, now+1)), got[0].body); x != "" {
			t.Error(x)
		}
	})
}

func TestGetHoldsTheDelta(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		p := wire.Shadow("u1", "")
		r.send(p.Request("update"), `{"state":{"desired":{"a":[1,2],"b":1},"reported":{"a":[1],"b":1,"c":3}}}`)
		got := r.send(p.Request("get"), "")
		if x := cmp.Diff(obj(`{"desired":{"a":[1,2],"b":1},"reported":{"a":[1],"b":1,"c":3},"delta":{"a":[1,2]}}`), got[0].body["state"].(map[string]any)); x != "" {
			t.Error(x)
		}
	})
}

// TestRefusals: the codes and wordings of the guide; the token comes back, and nothing else is told.
func TestRefusals(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		r.send(wire.Shadow("u1", "").Request("update"), `{"state":{"desired":{"a":1}}}`)
		long := strings.Repeat("n", 65)
		for i, tc := range []struct {
			name, shadow, op, payload string
			code                      int
			message                   string
			noToken                   bool
		}{
			{"broken JSON", "", "update", `{"state":`, 400, "Invalid JSON", true},
			{"empty update", "", "update", ``, 400, "Invalid JSON", true},
			{"an array", "", "update", `[]`, 400, "Invalid JSON", true},
			{"broken get", "", "get", `{`, 400, "Invalid JSON", true},
			{"not UTF-8", "", "update", "{\"a\":\"\xff\"}", 415, "Unsupported documented encoding; supported encoding is UTF-8", true},
			{"no state", "", "update", `{"clientToken":"t"}`, 400, "Missing required node: state", false},
			{"state is a list", "", "update", `{"state":[],"clientToken":"t"}`, 400, "State node must be an object", false},
			{"desired is a number", "", "update", `{"state":{"desired":1},"clientToken":"t"}`, 400, "Desired node must be an object", false},
			{"reported is a text", "", "update", `{"state":{"reported":"x"},"clientToken":"t"}`, 400, "Reported node must be an object", false},
			{"delta cannot be written", "", "update", `{"state":{"delta":{}},"clientToken":"t"}`, 400, "State contains an invalid node: 'delta'", false},
			{"version is a text", "", "update", `{"state":{},"version":"1","clientToken":"t"}`, 400, "Invalid version", false},
			{"long token", "", "update", `{"state":{},"clientToken":"` + long + `"}`, 400, "Invalid clientToken", true},
			{"long token of get", "", "get", `{"clientToken":"` + long + `"}`, 400, "Invalid clientToken", true},
			{"too deep", "", "update", `{"clientToken":"t","state":{"desired":` + strings.Repeat(`{"a":`, 9) + "1" + strings.Repeat("}", 9) + "}}", 400, "JSON contains too many levels of nesting; maximum is 8", false},
			{"null in a list", "", "update", `{"clientToken":"t","state":{"desired":{"a":[1,null]}}}`, 400, "Invalid JSON: an array holds null", false},
			{"another version", "", "update", `{"clientToken":"t","state":{},"version":5}`, 409, "Version conflict", false},
			{"too large", "", "update", `{"clientToken":"t","state":{"desired":{"b":"` + strings.Repeat("x", 8192) + `"}}}`, 413, "Json document too large. Size is 8206, max allowed: 8192", false},
			{"no named shadow", "none", "get", `{"clientToken":"t"}`, 404, "No shadow exists with name: 'none'", false},
			{"delete of none", "none", "delete", `{"clientToken":"t"}`, 404, "No shadow exists with name: 'none'", false},
			{"long name", long, "get", ``, 400, "Invalid shadow name", true},
			{"name with a dot", "a.b", "update", `{"state":{}}`, 400, "Invalid shadow name", true},
		} {
			if i%10 == 9 {
				time.Sleep(time.Second) // the rate
			}
			p := wire.Shadow("u1", tc.shadow)
			got := r.send(p.Request(tc.op), tc.payload)
			want := map[string]any{"code": float64(tc.code), "message": tc.message, "timestamp": float64(time.Now().Unix()), "clientToken": "t"}
			if tc.noToken {
				delete(want, "clientToken")
			}
			if x := cmp.Diff([]message{{p.Rejected(tc.op), want}}, got, cmp.AllowUnexported(message{})); x != "" {
				t.Errorf("%s: %s", tc.name, x)
			}
		}
		got := r.send(wire.Shadow("some-thing", "").Request("get"), "")
		if got[0].body["message"] != "No shadow exists with name: 'some-thing'" {
			t.Errorf("the classic shadow is named after its thing: %v", got)
		}
		time.Sleep(time.Second)
		if got := r.send(wire.Shadow("u1", "").Request("get"), ""); got[0].body["version"] != 1.0 {
			t.Errorf("a refusal changed something: %v", got)
		}
	})
}

func TestVersionGoesOnAfterDelete(t *testing.T) {
	for _, tc := range []struct {
		wait time.Duration
		want float64
	}{{0, 3}, {48*time.Hour - time.Second, 3}, {48 * time.Hour, 1}} {
		t.Run(tc.wait.String(), func(t *testing.T) {
			virtually(t, func(t *testing.T, r *rig) {
				p := wire.Shadow("u1", "config")
				r.send(p.Request("update"), `{"state":{"desired":{"a":1}}}`)
				r.send(p.Request("update"), `{"state":{"desired":{"a":2}}}`)
				got := r.send(p.Request("delete"), `{"clientToken":"t"}`)
				want := []message{{p.Accepted("delete"), map[string]any{"version": 2.0, "timestamp": float64(time.Now().Unix()), "clientToken": "t"}}}
				if x := cmp.Diff(want, got, cmp.AllowUnexported(message{})); x != "" {
					t.Error(x)
				}
				if got := r.send(p.Request("get"), ""); got[0].body["code"] != 404.0 {
					t.Errorf("%v", got)
				}
				time.Sleep(tc.wait)
				got = r.send(p.Request("update"), `{"state":{"desired":{"b":1}}}`)
				if got[0].body["version"] != tc.want {
					t.Errorf("version %v, want %v", got[0].body["version"], tc.want)
				}
				if got := r.send(p.Request("get"), ""); !cmp.Equal(got[0].body["state"], any(obj(`{"desired":{"b":1},"delta":{"b":1}}`))) {
					t.Errorf("something of the deleted shadow is left: %v", got)
				}
			})
		})
	}
}

func TestRate(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		p := wire.Shadow("u1", "")
		codes := map[any]int{}
		for range 30 {
			codes[r.send(p.Request("get"), `{"clientToken":"t"}`)[0].body["code"]]++
		}
		if codes[404.0] != 20 || codes[429.0] != 10 {
			t.Fatalf("%v", codes)
		}
		got := r.send(p.Request("get"), `{"clientToken":"t"}`)
		if got[0].topic != p.Rejected("get") || got[0].body["clientToken"] != "t" {
			t.Errorf("%v", got)
		}
		if got := r.send(wire.Shadow("u2", "").Request("get"), ""); got[0].body["code"] != 404.0 {
			t.Errorf("another thing: %v", got)
		}
		if _, err := r.SetState(t.Context(), "u1", "", []byte(`{"desired":{"a":1}}`)); err != nil {
			t.Errorf("the cloud's own writes have no rate: %v", err)
		}
		time.Sleep(time.Second)
		r.news()
		if got := r.send(p.Request("get"), ""); got[0].topic != p.Accepted("get") {
			t.Errorf("%v", got)
		}
	})
}

func TestREST(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		refused := func(name string, err error, code int, exception string) {
			t.Helper()
			var e *wire.ShadowError
			if !errors.As(err, &e) || e.Code != code || Exception(e.Code) != exception {
				t.Errorf("%s: %v", name, err)
			}
			if n := r.news(); n != nil {
				t.Errorf("%s: a refusal over REST is told by MQTT: %v", name, n)
			}
		}
		_, err := r.Get(ctx, "u1", "config")
		refused("get of none", err, 404, "ResourceNotFoundException")
		_, err = r.Update(ctx, "u1", "config", []byte("{"))
		refused("broken", err, 400, "InvalidRequestException")
		_, err = r.Update(ctx, "a b", "config", []byte(`{"state":{}}`))
		refused("thing name", err, 400, "InvalidRequestException")
		_, err = r.Update(ctx, "u1", "config", []byte(`{"state":{"desired":{"a":"`+strings.Repeat("x", 9000)+`"}}}`))
		refused("too large", err, 413, "RequestEntityTooLargeException")
		b, err := r.Update(ctx, "u1", "config", []byte(`{"state":{"desired":{"a":1}},"clientToken":"t"}`))
		if err != nil || !cmp.Equal(obj(string(b))["state"], any(obj(`{"desired":{"a":1}}`))) || obj(string(b))["clientToken"] != "t" {
			t.Fatalf("%s %v", b, err)
		}
		if x := cmp.Diff([]string{"name/config/update/accepted", "name/config/update/delta", "name/config/update/documents"}, topics(r.news())); x != "" {
			t.Error(x)
		}
		_, err = r.Update(ctx, "u1", "config", []byte(`{"state":{},"version":9}`))
		refused("conflict", err, 409, "ConflictException")
		if b, err = r.Get(ctx, "u1", "config"); err != nil || obj(string(b))["version"] != 1.0 || r.news() != nil {
			t.Errorf("%s %v", b, err)
		}
		if b, err = r.Delete(ctx, "u1", "config"); err != nil || obj(string(b))["version"] != 1.0 {
			t.Errorf("%s %v", b, err)
		}
		if x := cmp.Diff([]string{"name/config/delete/accepted"}, topics(r.news())); x != "" {
			t.Error(x)
		}
		for range 20 {
			_, err = r.Get(ctx, "u1", "config")
		}
		refused("rate", err, 429, "ThrottlingException")
	})
}

func TestListNamedShadows(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		for _, name := range []string{"ledger", "config", "", "$pkg", "unit", "gone"} {
			if _, err := r.Update(ctx, "u1", name, []byte(`{"state":{"desired":{"a":1}}}`)); err != nil {
				t.Fatal(name, err)
			}
		}
		if _, err := r.Delete(ctx, "u1", "gone"); err != nil {
			t.Fatal(err)
		}
		want := []string{"$pkg", "config", "ledger", "unit"}
		l, err := r.ListNamedShadows(ctx, "u1", "", 0)
		if x := cmp.Diff(&NamedShadows{Results: want, Timestamp: time.Now().Unix()}, l); x != "" || err != nil {
			t.Error(x, err)
		}
		var all []string
		for token := ""; ; {
			l, err := r.ListNamedShadows(ctx, "u1", token, 3)
			if err != nil || len(l.Results) > 3 {
				t.Fatal(l, err)
			}
			all = append(all, l.Results...)
			if token = l.NextToken; token == "" {
				break
			}
		}
		if x := cmp.Diff(want, all); x != "" {
			t.Error(x)
		}
		if l, err := r.ListNamedShadows(ctx, "u2", "", 25); err != nil || string(mustJSON(l.Results)) != "[]" {
			t.Errorf("%+v %v", l, err)
		}
		for _, size := range []int{-1, 101} {
			if _, err := r.ListNamedShadows(ctx, "u1", "", size); err == nil {
				t.Errorf("took a page of %d", size)
			}
		}
	})
}

// TestChangesAtOnce: whoever writes at the same time, no version is skipped or given twice.
func TestChangesAtOnce(t *testing.T) {
	virtually(t, func(t *testing.T, r *rig) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 5 {
					if _, err := r.SetState(t.Context(), "u1", "config", fmt.Appendf(nil, `{"desired":{"k%d":%d}}`, i, i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		version := 0.0
		for _, m := range r.news() {
			if strings.HasSuffix(m.topic, "/update/accepted") {
				if version++; m.body["version"] != version {
					t.Fatalf("version %v where %v was next", m.body["version"], version)
				}
			}
		}
		if version != 40 {
			t.Errorf("%v updates", version)
		}
	})
}
