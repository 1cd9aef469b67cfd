#!/usr/bin/env bash
# make test-device: the unit's shipping arm64 programs on Debian's kernel in an emulator. Arguments go to the runner, for
# example -run TwentyPours -v, or -quick (docs/DEVICE.md). A kernel that cannot be had here skips, loudly; anything else
# that goes wrong fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
GO=${GO:-go}
export FOUNTAIN_DEVICE_WORK=${FOUNTAIN_DEVICE_WORK:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/fountain-device}

code=0
tools/device/prepare.sh || code=$?
if [ $code = 9 ]; then
  echo "SKIPPED: make test-device: the emulator or Debian's arm64 kernel cannot be had here (see above); NOTHING was proved on a real kernel"
  exit 0
fi
[ $code = 0 ] || exit $code

export CGO_ENABLED=0
out=$FOUNTAIN_DEVICE_WORK/bin
mkdir -p "$out" bin/linux-arm64
arm() { GOOS=linux GOARCH=arm64 "$GO" "$@"; }
# the programs by the flags of make build-all; what only the test needs lies beside the kernel
arm build -trimpath -ldflags "${LDFLAGS:--s -w}" -o bin/linux-arm64/ ./cmd/fountaind ./cmd/fountain-guard ./cmd/fountain-plant ./cmd/fountain-ui
arm build -trimpath -ldflags "-s -w" -o "$out/init" ./internal/device/init
arm test -c -trimpath -ldflags "-s -w" -o "$out/device.test" ./internal/device
"$GO" build -o "$out/run" ./internal/device/run
exec "$out/run" -work "$FOUNTAIN_DEVICE_WORK" -bin bin/linux-arm64 -init "$out/init" -tests "$out/device.test" "$@"
