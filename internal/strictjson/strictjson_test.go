package strictjson

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestOneValue(t *testing.T) {
	for _, tc := range []struct {
		in   string
		more bool
	}{
		{`{"a":1}`, false},
		{" {\"a\":1}\n\t ", false},
		{`{"a":1}{}`, true},
		{`{"a":1}}`, true},
		{`{"a":1}]`, true},
		{`{"a":1},`, true},
		{`{"a":1} x`, true},
		{"{\"a\":1}\x00", true},
	} {
		for name, read := range map[string]func(io.Reader, any) error{"Known": Known, "Numbers": Numbers} {
			var v struct{ A int }
			if err := read(strings.NewReader(tc.in), &v); errors.Is(err, ErrMore) != tc.more || !tc.more && err != nil || v.A != 1 {
				t.Errorf("%s(%q): %+v, %v", name, tc.in, v, err)
			}
		}
	}
}

func TestKnown(t *testing.T) {
	var v struct{ A int }
	if err := Known(strings.NewReader(`{"a":1,"b":2}`), &v); err == nil || !strings.Contains(err.Error(), `unknown field "b"`) {
		t.Error(err)
	}
}

func TestNumbers(t *testing.T) {
	var v any
	if err := Numbers(strings.NewReader(`12345678901234567890.10`), &v); err != nil || v != json.Number("12345678901234567890.10") {
		t.Error(v, err)
	}
}

// A body that breaks off is told as that, not as something that follows.
func TestReader(t *testing.T) {
	broken := errors.New("gone")
	var v any
	if err := Known(io.MultiReader(strings.NewReader(`{}`), iotest.ErrReader(broken)), &v); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := Numbers(strings.NewReader(`{"a":`), &v); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}
