package store

import (
	"bytes"
	"errors"
	"testing"
)

func contractRetained(t *testing.T, s Store) {
	ctx := t.Context()
	r := Retained{Topic: "b/x", Payload: []byte{0, 255}, QoS: 1, Properties: []byte(`{"user":[]}`), Modified: 5, Expires: 100}
	for _, r := range []Retained{r, {Topic: "a", Payload: []byte("old"), Properties: []byte("{}"), Expires: 100}, {Topic: "c", Payload: []byte("c"), Properties: []byte("{}"), Expires: 50}} {
		if err := s.PutRetained(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PutRetained(ctx, Retained{Topic: "a", Payload: []byte("new"), Properties: []byte("{}"), Expires: 100}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Retained(ctx, "b/x")
	if err != nil || !bytes.Equal(got.Payload, r.Payload) || got.QoS != 1 || !bytes.Equal(got.Properties, r.Properties) || got.Modified != 5 || got.Expires != 100 {
		t.Fatalf("%+v, %v", got, err)
	}
	list, err := s.RetainedAfter(ctx, "", 50, 10)
	if err != nil || len(list) != 2 || list[0].Topic != "a" || string(list[0].Payload) != "new" || list[1].Topic != "b/x" {
		t.Fatalf("%+v, %v", list, err)
	}
	if list, err = s.RetainedAfter(ctx, "a", 0, 1); err != nil || len(list) != 1 || list[0].Topic != "b/x" {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := errors.Join(s.DeleteExpiredRetained(ctx, 50), s.DeleteRetained(ctx, "a"), s.DeleteRetained(ctx, "never was")); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"a", "c"} {
		if _, err := s.Retained(ctx, gone); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", gone, err)
		}
	}
}
