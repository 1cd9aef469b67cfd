package beverage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed catalogue.json
var defaultCatalogue []byte

// Default is the embedded catalogue.
func Default() (*Catalogue, error) { return Parse(defaultCatalogue, "embedded catalogue") }

// Parse reads a catalogue. where names the source in errors.
func Parse(b []byte, where string) (*Catalogue, error) {
	var c Catalogue
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("read %s: %w", where, err)
	}
	c.Digest = fmt.Sprintf("sha256:%x", sha256.Sum256(b))
	return &c, nil
}
