#!/bin/sh
# make test-interop: outside tools judge what is built in bin/.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$here/../..
code=0
"$here/deps.sh" || code=$?
if [ "$code" = 0 ]; then
  # --test-force-exit: the SDK's native part keeps a process alive for ever.
  (cd "$here" && NODE_NO_WARNINGS=1 node --test --test-reporter=spec --test-force-exit --test-concurrency=1 --test-timeout=600000 *.test.mjs)
fi
cd "$root"
export FOUNTAIN_INTEROP=1
"${GO:-go}" test -count=1 -v -run 'TestMosquitto' ./internal/desk
"${GO:-go}" test -count=1 -v -run 'TestPostgres' ./cloud/store
"${GO:-go}" test -count=1 -v -run 'TestStockCommand' ./cloud/awsiot/control
"${GO:-go}" test -count=1 -v -run Interop ./deploy
deploy/validate.sh || [ $? = 9 ]
echo "test-interop: all passed"
