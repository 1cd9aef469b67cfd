// Package strictjson reads exactly one JSON value, where encoding/json would let something by: a field it does not know,
// the digits of a number, what follows the value. It imports nothing of the module.
package strictjson

import (
	"encoding/json"
	"errors"
	"io"
)

// ErrMore is the error of input that goes on after its value.
var ErrMore = errors.New("something follows the JSON value")

// Known reads r into v and refuses fields that v does not have.
func Known(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	return one(d, v)
}

// Numbers reads r into v; numbers in an any stay as they were written, as json.Number.
func Numbers(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.UseNumber()
	return one(d, v)
}

func one(d *json.Decoder, v any) error {
	if err := d.Decode(v); err != nil {
		return err
	}
	switch _, err := d.Token(); {
	case err == nil:
		return ErrMore
	case errors.Is(err, io.EOF):
		return nil
	case errors.As(err, new(*json.SyntaxError)):
		return ErrMore
	default:
		return err // of the reader
	}
}
