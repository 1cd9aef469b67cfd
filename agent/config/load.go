package config

import (
	"errors"
	"io"

	"fountain/internal/problem"
)

var errTODO = errors.New("not built yet")

// Load reads the file (empty path: none), applies the environment (as os.Environ gives it) and validates. The error is a
// problem of code bad_config or not_found that names the first thing wrong and how many more there are.
func Load(path string, environ []string) (*Config, error) { return nil, errTODO }

// Check is Load with every problem, in file order; the Config is nil when there are any.
func Check(path string, environ []string) (*Config, []*problem.Problem) { return nil, nil }

// Print writes every key with its value and origin, secrets redacted.
func (c *Config) Print(w io.Writer) error { return errTODO }
