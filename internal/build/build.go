// Package build tells which build of Fountain is running.
package build

// Version is set by the linker (-X fountain/internal/build.Version=…); "dev" in an unstamped build.
var Version = "dev"
