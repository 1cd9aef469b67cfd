package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// Limits of one consumption message (DESIGN 4).
const (
	BatchBytes = MeterStep // topic and payload together; a single larger record travels alone
)

// ErrBatch is wrapped by the error of an item that is no record because the batch around it is damaged.
var ErrBatch = errors.New("bad batch")

// AppendBatch appends the JSON array of the records to dst. The bytes of every record stay as they are.
func AppendBatch(dst []byte, records ...[]byte) []byte {
	dst = append(dst, '[')
	for i, r := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, r...)
	}
	return append(dst, ']')
}

// BatchSize is the length of the batch of n records that have total bytes together.
func BatchSize(n, total int) int {
	if n == 0 {
		return 2
	}
	return total + n + 1 // brackets and n-1 commas
}

// Item is one element of a received batch.
type Item struct {
	Raw    []byte  // the element's bytes as sent, white space around it cut; shares memory with the payload
	Record *Record // nil when Err is set
	Err    error   // why the element goes to quarantine: wraps ErrRecord or ErrBatch
}

// DecodeBatch takes a payload apart. Every element stands for itself: a bad one becomes an Item with Err and leaves
// its neighbours alone. What cannot be cut into elements (no array, unbalanced brackets, something after the end) is
// one Item with ErrBatch. A payload that holds nothing at all yields one such item too; only "[]" yields none.
func DecodeBatch(payload []byte) []Item {
	elems, rest, why := splitArray(payload)
	items := make([]Item, 0, len(elems)+1)
	for _, e := range elems {
		it := Item{Raw: e}
		it.Record, it.Err = DecodeRecord(e)
		items = append(items, it)
	}
	if why != "" {
		items = append(items, Item{Raw: rest, Err: fmt.Errorf("%w: %s", ErrBatch, why)})
	}
	return items
}

// splitArray cuts a JSON array at its top-level commas without judging the elements, so that one malformed element
// costs only itself. rest is what could not be cut, with the reason.
func splitArray(b []byte) (elems [][]byte, rest []byte, why string) {
	t := bytes.TrimLeft(b, " \t\r\n")
	if len(t) == 0 || t[0] != '[' {
		return nil, b, "not a JSON array"
	}
	t = t[1:]
	depth, start, inString, escaped := 0, 0, false, false
	for i, c := range t {
		switch {
		case escaped:
			escaped = false
		case inString:
			escaped = c == '\\'
			inString = c != '"'
		case c == '"':
			inString = true
		case c == '{' || c == '[':
			depth++
		case c == ',' && depth == 0:
			elems = append(elems, trim(t[start:i]))
			start = i + 1
		case c == ']' && depth == 0:
			last := trim(t[start:i])
			if len(last) > 0 || len(elems) > 0 {
				elems = append(elems, last)
			}
			if after := trim(t[i+1:]); len(after) > 0 {
				return elems, after, "something follows the array"
			}
			return elems, nil, ""
		case c == '}' || c == ']':
			if depth == 0 {
				return elems, t[start:], "unbalanced brackets"
			}
			depth--
		}
	}
	return elems, t[start:], "the array does not end"
}

func trim(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }
