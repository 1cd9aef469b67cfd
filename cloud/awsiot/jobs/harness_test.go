package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fountain/cloud/awsiot/broker"
	"fountain/cloud/store"
	"fountain/sync/wire"
)

const arn = "arn:aws:iot:eu-west-1:123456789012:"

// fleet is a Fleet that tests change.
type fleet struct {
	mu     sync.Mutex
	things map[string]bool
	groups map[string][]string
	rev    int64
}

func (f *fleet) HasThing(_ context.Context, thing string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.things[thing], nil
}

func (f *fleet) GroupMembers(_ context.Context, group string) ([]string, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.groups[group]
	return slices.Clone(m), ok, nil
}

func (f *fleet) Revision() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rev
}

func (f *fleet) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	f.rev++
}

// message is what was published or answered.
type message struct {
	topic string
	body  map[string]any
	raw   []byte
}

// rig is a Service on a real store, its clock running, in a bubble of virtual time.
type rig struct {
	*Service
	t     *testing.T
	db    *store.SQLite
	fleet *fleet
	stop  func()

	mu           sync.Mutex
	told, events []message

	deaf bool // to events; set before what happens
}

// presigner makes URLs that show what was asked for.
type presigner struct{}

func (presigner) Presign(method, bucket, key, thing string, expires time.Duration) (string, error) {
	if bucket == "broken" {
		return "", errors.New("no key")
	}
	return fmt.Sprintf("https://local/%s/%s?m=%s&t=%s&e=%d", bucket, key, method, thing, int(expires.Seconds())), nil
}

// virtually runs f with a rig in a bubble. Things u1 … u9 exist, u1 to u3 are in group g.
func virtually(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, fleet: &fleet{things: map[string]bool{}, groups: map[string][]string{"g": {"u1", "u2", "u3"}, "empty": {}}}}
		for i := range 9 {
			r.fleet.things[fmt.Sprintf("u%d", i+1)] = true
		}
		var err error
		if r.db, err = store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "cloud.db")); err != nil {
			t.Fatal(err)
		}
		r.start()
		defer func() { // also after Fatal: the bubble must end empty
			r.stop()
			if err := r.db.Close(); err != nil {
				t.Error(err)
			}
		}()
		f(t, r)
	})
}

// start makes the service on the store there is, as a process that starts does.
func (r *rig) start() {
	r.t.Helper()
	var err error
	r.Service, err = New(Config{
		ARN: arn, Store: r.db, Fleet: r.fleet, Presign: presigner{}, Log: slog.New(slog.NewTextHandler(r.t.Output(), nil)),
		Source: func(_ context.Context, bucket, key string) ([]byte, error) {
			if bucket+"/"+key == "docs/reboot.json" {
				return []byte(`{"op":"reboot"}`), nil
			}
			return nil, fs.ErrNotExist
		},
		Events: func(context.Context) (bool, bool, error) { return !r.deaf, !r.deaf, nil },
		Publish: func(topic string, payload []byte) {
			m := message{topic: topic, raw: payload}
			if err := json.Unmarshal(payload, &m.body); err != nil {
				r.t.Errorf("%s: %v", topic, err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if strings.HasPrefix(topic, "$aws/events/") {
				r.events = append(r.events, m)
				return
			}
			r.told = append(r.told, m)
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
	}
	synctest.Wait()
}

// news returns what was published since the last call, once everything rests.
func (r *rig) news() []message {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.told
	r.told = nil
	return out
}

// happened returns the events since the last call.
func (r *rig) happened() []message {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.events
	r.events = nil
	return out
}

// newsOf returns the short names ("notify", "notify-next") of what was published to one thing.
func (r *rig) newsOf(thing string) (out []string) {
	for _, m := range r.news() {
		if rest, ok := strings.CutPrefix(m.topic, string(wire.Jobs(thing))+"/"); ok {
			out = append(out, rest)
		}
	}
	return out
}

// ask sends a request as a unit does and returns the answer.
func (r *rig) ask(topic, payload string) message {
	r.t.Helper()
	var got []message
	ok := r.Serve(r.t.Context(), broker.Request{Topic: topic, Payload: []byte(payload), Answer: func(topic string, payload []byte) {
		m := message{topic: topic, raw: payload}
		if err := json.Unmarshal(payload, &m.body); err != nil {
			r.t.Errorf("%s: %v", topic, err)
		}
		got = append(got, m)
	}, Reply: func(topic string, _ []byte) {
		r.t.Errorf("jobs answer whether subscribed or not, but %s was a Reply", topic)
	}})
	if !ok || len(got) != 1 {
		r.t.Fatalf("%s: served %v, %d answers", topic, ok, len(got))
	}
	return got[0]
}

// accepted asks and wants an accepted answer.
func (r *rig) accepted(topic, payload string) map[string]any {
	r.t.Helper()
	m := r.ask(topic, payload)
	if m.topic != topic+"/accepted" {
		r.t.Fatalf("%s: %s", m.topic, m.raw)
	}
	return m.body
}

// rejected asks and wants a refusal with the code.
func (r *rig) rejected(topic, payload, code string) map[string]any {
	r.t.Helper()
	m := r.ask(topic, payload)
	if m.topic != topic+"/rejected" || m.body["code"] != code || m.body["message"] == "" || m.body["timestamp"] == nil {
		r.t.Fatalf("want %s: %s %s", code, m.topic, m.raw)
	}
	return m.body
}

// update reports a status.
func (r *rig) update(thing, id, status string) map[string]any {
	r.t.Helper()
	return r.accepted(wire.Jobs(thing).Update(id), fmt.Sprintf(`{"status":%q}`, status))
}

// create makes a job for targets ("u1", "g:g") with more settings.
func (r *rig) create(id string, targets []string, change ...func(*CreateJobRequest)) {
	r.t.Helper()
	if _, err := r.CreateJob(r.t.Context(), newJob(id, targets, change...)); err != nil {
		r.t.Fatal(err)
	}
}

func newJob(id string, targets []string, change ...func(*CreateJobRequest)) CreateJobRequest {
	q := CreateJobRequest{JobID: id, Document: `{"op":"` + id + `"}`}
	for _, t := range targets {
		if g, ok := strings.CutPrefix(t, "g:"); ok {
			q.Targets = append(q.Targets, arn+"thinggroup/"+g)
		} else {
			q.Targets = append(q.Targets, arn+"thing/"+t)
		}
	}
	for _, f := range change {
		f(&q)
	}
	return q
}

func (r *rig) job(id string) Job {
	r.t.Helper()
	d, err := r.DescribeJob(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return d.Job
}

func (r *rig) executionOf(thing, id string) Execution {
	r.t.Helper()
	e, err := r.DescribeJobExecution(r.t.Context(), thing, id, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return e.Execution
}

// wantError checks the code of a refusal, and that its message names the place.
func wantError(t *testing.T, err error, code, place string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, place) {
		t.Errorf("got %v, want %s about %q", err, code, place)
	}
}

func ptr[T any](v T) *T { return &v }

func path(v any, keys ...any) any {
	for _, k := range keys {
		switch k := k.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[k]
		case int:
			l, _ := v.([]any)
			if k >= len(l) {
				return nil
			}
			v = l[k]
		}
	}
	return v
}

func requestOn(topic string) broker.Request {
	return broker.Request{Topic: topic, Answer: func(string, []byte) {}, Reply: func(string, []byte) {}}
}
