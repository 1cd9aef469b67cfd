package shadow

import (
	"testing"

	"fountain/sync/wire"
)

// A key that is removed shows in no delta: who listens hears it from what was written.
func TestListenHearsWhatWasRemoved(t *testing.T) {
	m := &Mux{thing: "u1", waiting: map[string]call{}, clients: map[wire.ShadowPath][]*Client{}, listeners: map[wire.ShadowPath][]chan Heard{}, turns: map[wire.ShadowPath]chan struct{}{}}
	ch, err := m.Listen(wire.RecallShadow)
	if err != nil {
		t.Fatal(err)
	}
	own, err := m.Client(wire.RecallShadow)
	if err != nil {
		t.Fatal(err)
	}
	m.expect("mine", own)
	p := wire.Shadow("u1", wire.RecallShadow)
	say := func(topic, body string) { m.receive(topic, []byte(body)) }
	say(p.Delta(), `{"state":{"beverages":{"a":true}},"version":3}`)
	say(p.Accepted(wire.ShadowUpdate), `{"state":{"desired":{"beverages":{"a":null}}},"version":4,"clientToken":"theirs"}`)
	say(p.Accepted(wire.ShadowUpdate), `{"state":{"desired":null},"version":5}`)                         // says nothing of any key
	say(p.Accepted(wire.ShadowUpdate), `{"state":{"reported":{"x":1}},"version":6}`)                     // of nobody's interest
	say(p.Accepted(wire.ShadowUpdate), `{"state":{"desired":{"x":1}},"version":7,"clientToken":"mine"}`) // own
	say(wire.Shadow("u1", wire.ConfigShadow).Delta(), `{"state":{"a":1},"version":1}`)
	want := []Heard{{3, []byte(`{"beverages":{"a":true}}`), true}, {4, []byte(`{"beverages":{"a":null}}`), false}}
	for _, w := range want {
		select {
		case got := <-ch:
			if got.Version != w.Version || string(got.Desired) != string(w.Desired) || got.Delta != w.Delta {
				t.Errorf("heard %+v, want %+v", got, w)
			}
		default:
			t.Fatalf("%+v was not heard", w)
		}
	}
	if len(ch) != 0 {
		t.Errorf("heard %d more", len(ch))
	}
	for range 2 * heardMost { // nobody takes them: the connection must not stand still
		say(p.Delta(), `{"state":{"beverages":{"a":true}},"version":9}`)
	}
	if m.Ignored() < heardMost {
		t.Errorf("%d ignored", m.Ignored())
	}
}
