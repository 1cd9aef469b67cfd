package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"fountain/touchui/display/web"
	"fountain/touchui/input"
)

// Keys arrive by the route of the touches; one that is not of the four is refused.
func TestKeysArrive(t *testing.T) {
	s := serve(t, web.Config{})
	v := s.watch("keys")
	defer v.close()
	v.next()
	if code, body := s.post("/touch", `{"client":"keys","events":[{"p":"down","k":"next"},{"p":"up","k":"next"},{"p":"down","k":"select"}]}`); code != http.StatusOK {
		t.Fatalf("keys answer %d %s", code, body)
	}
	source, ok := s.d.Input().(input.KeySource)
	if !ok {
		t.Fatal("the display has no keys")
	}
	var got []string
	for range 4 { // the last is the cancel of a key that nobody reports any more
		select {
		case k := <-source.Keys():
			got = append(got, k.Phase.String()+" "+k.Code.String())
		case <-time.After(time.Minute):
			t.Fatalf("only %v", got)
		}
	}
	if s := strings.Join(got, ", "); s != "down next, up next, down select, cancel select" {
		t.Errorf("got %s", s)
	}
	if code, _ := s.post("/touch", `{"client":"keys","events":[{"p":"down","k":"power"}]}`); code != http.StatusBadRequest {
		t.Errorf("a key that there is not answers %d", code)
	}
}
