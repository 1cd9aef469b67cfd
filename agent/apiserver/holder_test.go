package apiserver

import (
	"context"
	"net"
	"net/http/httptest"
	"slices"
	"testing"
)

// stops notes the pours that were stopped.
type stops struct {
	Pours
	ids []string
}

func (s *stops) Stop(id, _ string) error { s.ids = append(s.ids, id); return nil }

// A beat of the pour before that is overtaken by the next start must not untie the next pour from its connection.
func TestLateBeatLeavesTheNextPourItsHolder(t *testing.T) {
	f := &stops{}
	s := New(Config{}, nil, f)
	over := func(c net.Conn, id string, started bool) {
		t.Helper()
		r := httptest.NewRequest("POST", "/v1/pours", nil)
		if !s.hold(r.WithContext(context.WithValue(t.Context(), connKey{}, c)), id, started) {
			t.Fatal("the connection is open")
		}
	}
	first, _ := net.Pipe()
	second, _ := net.Pipe()
	over(first, "A", true)
	over(second, "B", true)
	over(first, "A", false) // the handler of A's last beat was slow
	s.connGone(second)
	if !slices.Equal(f.ids, []string{"B"}) {
		t.Errorf("stopped %v when B's holder went away, want B", f.ids)
	}
	f.ids = nil
	over(first, "C", true)
	over(first, "B", false)
	s.connGone(first) // what ended before is stopped in vain
	if !slices.Contains(f.ids, "C") {
		t.Errorf("stopped %v when C's holder went away", f.ids)
	}
}
