package wire_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"fountain/sync/wire"
)

// A record of a mix says what of; one that contradicts itself is set aside like any other bad record.
func TestMix(t *testing.T) {
	with := func(beverage string, mix ...wire.Share) []byte {
		raw, err := json.Marshal(wire.Record{
			V: 1, ID: "i", Thing: "t", Log: "L", Seq: 1, Beverage: beverage, Mix: mix, Outcome: wire.Completed, Source: "touch", Rig: "sim",
		})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	good := []wire.Share{{Beverage: "a.a", Share: 65}, {Beverage: "b.b", Share: 35}}
	r, err := wire.DecodeRecord(with(wire.Mixed, good...))
	if err != nil || !reflect.DeepEqual(r.Mix, good) {
		t.Errorf("%+v, %v", r, err)
	}
	if raw := string(with("a.a")); strings.Contains(raw, "mix") {
		t.Errorf("a record of one beverage names a mix: %s", raw)
	}
	if _, err := wire.DecodeRecord(with(wire.Mixed)); err != nil {
		t.Errorf("a mix that does not say what of: %v", err)
	}
	for name, raw := range map[string][]byte{
		"another beverage": with("a.a", good...), "more than all": with(wire.Mixed, wire.Share{Beverage: "a", Share: 60}, wire.Share{Beverage: "b", Share: 60}),
		"nothing of one": with(wire.Mixed, wire.Share{Beverage: "a", Share: 100}, wire.Share{Beverage: "b"}), "no name": with(wire.Mixed, wire.Share{Share: 100}),
		"four": with(wire.Mixed, []wire.Share{{Beverage: "a", Share: 25}, {Beverage: "b", Share: 25}, {Beverage: "c", Share: 25}, {Beverage: "d", Share: 25}}...),
	} {
		if _, err := wire.DecodeRecord(raw); !errors.Is(err, wire.ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
