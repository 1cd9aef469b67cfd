#!/bin/sh
# make test-interop: outside tools judge what is built in bin/.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$here/../..
without=
if "$here/deps.sh"; then
  # --test-force-exit: the SDK's native part keeps a process alive for ever.
  (cd "$here" && NODE_NO_WARNINGS=1 node --test --test-reporter=spec --test-force-exit --test-concurrency=1 --test-timeout=600000 *.test.mjs)
else
  [ $? = 9 ] || exit 1
  without="$without node"
fi
for program in mosquitto mosquitto_sub aws; do # their tests skip without them
  command -v $program >/dev/null 2>&1 || without="$without $program"
done
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || without="$without initdb"
cd "$root"
export FOUNTAIN_INTEROP=1
"${GO:-go}" test -count=1 -v -run 'TestMosquitto' ./internal/desk
"${GO:-go}" test -count=1 -v -run 'TestPostgres' ./cloud/store
"${GO:-go}" test -count=1 -v -run 'TestStockCommand|TestRoutesAgainstModel' ./cloud/awsiot/control
"${GO:-go}" test -count=1 -v -run Interop ./deploy
deploy/validate.sh || { [ $? = 9 ] && without="$without validators"; }
if [ -n "$without" ]; then echo "test-interop: passed, but SKIPPED what needs$without"; else echo "test-interop: all passed"; fi
