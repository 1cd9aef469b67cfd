package agent

import (
	"testing"

	"fountain/agent/access"
	"fountain/agent/api"
)

// peeked is a store that looks on whenever something is stored.
type peeked struct {
	memory
	look func()
}

func (w *peeked) PutSetting(key string, v []byte) error {
	if w.look != nil {
		w.look()
	}
	return w.memory.PutSetting(key, v)
}

// TestNobodyPoursWhileAPINIsTried: its hash takes memory and time that belong to a pour. A wrong one leaves nothing behind.
func TestNobodyPoursWhileAPINIsTried(t *testing.T) {
	w := &peeked{}
	d := newDoor(t, &memory{})
	d.pin = access.Open(w, access.Config{})
	if err := d.pin.Set(testPIN); err != nil {
		t.Fatal(err)
	}
	looked := 0
	w.look = func() {
		looked++
		if d.keeps() == nil {
			t.Error("a consumer may pour while a PIN is tried")
		}
	}
	if _, err := d.Open(api.OpenSession{PIN: "739215"}); err == nil {
		t.Fatal("a wrong PIN opens")
	}
	if looked == 0 || d.keeps() != nil {
		t.Errorf("looked %d times; after a wrong PIN: %v", looked, d.keeps())
	}
	d.Close(d.must(t).ID)
	if d.keeps() != nil {
		t.Errorf("after the session: %v", d.keeps())
	}
}
