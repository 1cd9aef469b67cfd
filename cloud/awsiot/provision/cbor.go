package provision

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// The CBOR (RFC 8949) of these messages: maps of text to text, whole numbers or such maps again. Nothing else is read.

var errCBOR = errors.New("not CBOR that this interface takes: maps of text")

// decodeCBOR reads one map. It never allocates more than the input is long.
func decodeCBOR(b []byte) (map[string]any, error) {
	d := cborReader{b}
	v, err := d.value(0)
	m, ok := v.(map[string]any)
	if err != nil || !ok || len(d.b) > 0 {
		return nil, errCBOR
	}
	return m, nil
}

type cborReader struct{ b []byte }

// head reads a major type and its argument; indefinite says that the length is not given.
func (d *cborReader) head() (major byte, n uint64, indefinite bool, err error) {
	if len(d.b) == 0 {
		return 0, 0, false, errCBOR
	}
	major, info := d.b[0]>>5, d.b[0]&31
	d.b = d.b[1:]
	switch {
	case info < 24:
		return major, uint64(info), false, nil
	case info == 31:
		return major, 0, true, nil
	case info > 27:
		return 0, 0, false, errCBOR
	}
	size := 1 << (info - 24)
	if len(d.b) < size {
		return 0, 0, false, errCBOR
	}
	var full [8]byte
	copy(full[8-size:], d.b)
	d.b = d.b[size:]
	return major, binary.BigEndian.Uint64(full[:]), false, nil
}

func (d *cborReader) value(depth int) (any, error) {
	major, n, indefinite, err := d.head()
	if err != nil || depth > 4 {
		return nil, errCBOR
	}
	switch major {
	case 0:
		return int64(n), nil
	case 3:
		return d.text(n, indefinite)
	case 5:
		m := map[string]any{}
		for i := uint64(0); indefinite || i < n; i++ {
			if indefinite && len(d.b) > 0 && d.b[0] == 0xff {
				d.b = d.b[1:]
				return m, nil
			}
			k, err := d.value(depth + 1)
			key, ok := k.(string)
			if err != nil || !ok {
				return nil, errCBOR
			}
			if m[key], err = d.value(depth + 1); err != nil {
				return nil, err
			}
		}
		return m, nil
	case 7:
		if n == 22 && !indefinite { // null: as if absent
			return nil, nil
		}
	}
	return nil, errCBOR
}

func (d *cborReader) text(n uint64, indefinite bool) (string, error) {
	if !indefinite {
		if n > uint64(len(d.b)) {
			return "", errCBOR
		}
		s := string(d.b[:n])
		d.b = d.b[n:]
		return s, nil
	}
	var out string
	for {
		major, n, more, err := d.head()
		switch {
		case err != nil:
			return "", err
		case major == 7 && more: // break
			return out, nil
		case major != 3 || more:
			return "", errCBOR
		}
		part, err := d.text(n, false)
		if err != nil {
			return "", err
		}
		out += part
	}
}

// appendCBOR encodes a map of text to text, int or such maps, keys in order.
func appendCBOR(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return append(cborHead(b, 3, uint64(len(v))), v...)
	case int64:
		return cborHead(b, 0, uint64(v))
	case map[string]any:
		b = cborHead(b, 5, uint64(len(v)))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = appendCBOR(appendCBOR(b, k), v[k])
		}
		return b
	}
	return append(b, 0xf6) // null
}

func cborHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major<<5|byte(n))
	case n < 1<<8:
		return append(b, major<<5|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major<<5|25), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, major<<5|26), uint32(n))
}
