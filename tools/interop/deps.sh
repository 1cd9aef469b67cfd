#!/bin/sh
# Installs what make test-interop needs beside Node: mosquitto and PostgreSQL by apt, the clients by npm. Quick when there
# is nothing to do; says loudly what it cannot have.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)

missing=
command -v mosquitto >/dev/null 2>&1 && command -v mosquitto_sub >/dev/null 2>&1 || missing="mosquitto mosquitto-clients"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || missing="$missing postgresql"
command -v openssl >/dev/null 2>&1 || missing="$missing openssl"
if [ -n "$missing" ]; then
  if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    log=$(mktemp)
    echo "installing$([ "${missing# }" = "$missing" ] && printf ' ')$missing"
    # policy-rc.d 101: nothing is started; the tests start what they need, on ports of their own.
    started=/usr/sbin/policy-rc.d
    [ -e $started ] || { printf '#!/bin/sh\nexit 101\n' >$started && chmod +x $started && trap 'rm -f $started' EXIT; }
    # shellcheck disable=SC2086
    (apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing) >"$log" 2>&1 ||
      echo "SKIPPED: $missing could not be installed; see $log"
  else
    echo "SKIPPED: $missing missing and cannot be installed here (needs apt-get and root)"
  fi
fi

if ! command -v node >/dev/null 2>&1 || ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 14) ? 0 : 1)'; then
  echo "SKIPPED: the AWS SDKs and mqtt.js need Node 20.14 or later"
  exit 9
fi
if [ ! -f "$here/node_modules/.package-lock.json" ] || [ "$here/package-lock.json" -nt "$here/node_modules/.package-lock.json" ]; then
  echo "installing the AWS SDKs and mqtt.js"
  (cd "$here" && npm ci --silent --no-audit --no-fund --ignore-scripts) || {
    echo "SKIPPED: the AWS SDKs and mqtt.js could not be installed by npm"
    exit 9
  }
fi
