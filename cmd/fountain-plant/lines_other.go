//go:build !linux

package main

import (
	"context"
	"log/slog"

	"fountain/hal/sim"
	"fountain/internal/problem"
)

func wireLines(*sim.Plant, *slog.Logger) (func(context.Context) error, func() error, error) {
	return nil, nil, &problem.Problem{Code: problem.CodeBadConfig, Where: "--lines", What: "only Linux has gpio-sim", Remedy: "leave it out, or use make test-device"}
}
