package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"fountain/internal/strictjson"
)

const (
	recordVersion = 1
	maxFailures   = 1 << 20 // counting further says nothing more
)

// record is what is stored of a PIN.
type record struct {
	V        int    `json:"v"`
	Memory   uint32 `json:"memory_kib"`
	Passes   uint32 `json:"passes"`
	Lanes    uint8  `json:"lanes"`
	Salt     []byte `json:"salt"`
	Hash     []byte `json:"hash"`
	Failures int    `json:"failures"` // wrong PINs in a row
}

func (r record) set() bool { return len(r.Hash) > 0 }

func (r record) encode() ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode PIN record: %w", err)
	}
	return b, nil
}

// decode reads a record and refuses one whose cost this unit could not pay.
func decode(b []byte) (record, error) {
	var r record
	if err := strictjson.Known(bytes.NewReader(b), &r); err != nil {
		return record{}, errors.New("it is no record of a PIN")
	}
	switch {
	case r.V != recordVersion:
		return record{}, fmt.Errorf("it has version %d, this program knows %d", r.V, recordVersion)
	case r.Memory < 8 || r.Memory > 64<<10 || r.Passes < 1 || r.Passes > 16 || r.Lanes < 1 || r.Lanes > 4:
		return record{}, errors.New("its cost is out of bounds")
	case len(r.Salt) < 8 || len(r.Salt) > 64 || len(r.Hash) != hashBytes:
		return record{}, errors.New("its salt or hash has a wrong length")
	case r.Failures < 0 || r.Failures > maxFailures:
		return record{}, errors.New("its count is out of bounds")
	}
	return r, nil
}
