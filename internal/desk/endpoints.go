package desk

import (
	"encoding/json"
	"fmt"
	"os"
)

// Endpoints is what fountain-cloud serve writes when it is ready (DESIGN 7).
type Endpoints struct {
	MQTT      string `json:"mqtt"`
	HTTPS     string `json:"https"`
	Console   string `json:"console"`
	Control   string `json:"control"`
	CA        string `json:"ca"`
	ClaimCert string `json:"claim_cert"`
	ClaimKey  string `json:"claim_key"`
	Template  string `json:"template"`
}

// ReadEndpoints reads endpoints.json.
func ReadEndpoints(path string) (Endpoints, error) {
	var e Endpoints
	b, err := os.ReadFile(path)
	if err != nil {
		return e, fmt.Errorf("read endpoints: %w", err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("read endpoints %s: %w", path, err)
	}
	return e, nil
}
