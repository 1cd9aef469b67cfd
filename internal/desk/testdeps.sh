#!/bin/sh
# Installs what make test-e2e needs, by apt, when it is missing. Says so loudly when it cannot.
set -eu
if command -v chromium >/dev/null 2>&1; then exit 0; fi
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
  echo "SKIPPED: Chromium is missing and cannot be installed here (needs apt-get and root)"
  exit 0
fi
echo "installing chromium"
(apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium) >/tmp/fountain-apt.log 2>&1 || {
  echo "SKIPPED: Chromium could not be installed; see /tmp/fountain-apt.log"
}
