#!/bin/sh
# Judges CloudFormation templates by tools nobody here wrote: AWS's cloudformation-validate (npm) and cfn-lint (Python).
# Usage: deploy/validate.sh [--tool cloudformation-validate|cfn-lint] [FILE…]; without files, all of deploy/cfn.
# Exit: 0 nothing found, 1 findings, 9 no tool to be had. The npm package is kept in
# $FOUNTAIN_VALIDATE_CACHE, else $XDG_CACHE_HOME/fountain-validate.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
version=1.9.0-beta
tool=
if [ "${1:-}" = --tool ]; then
  tool=$2
  shift 2
fi
[ $# -gt 0 ] || set -- "$here"/cfn/*.yaml
cache=${FOUNTAIN_VALIDATE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/fountain-validate}
module=$cache/$version/node_modules/@aws/cloudformation-validate

validator() {
  command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || return 9
  [ -f "$module/package.json" ] ||
    npm install --silent --no-audit --no-fund --prefix "$cache/$version" "@aws/cloudformation-validate@$version" >&2 || return 9
  node "$here/validate.mjs" "$module" "$@" || return 1
}

linter() {
  command -v cfn-lint >/dev/null 2>&1 && cfn-lint --version >/dev/null 2>&1 || return 9
  # Exit codes are bits: 2 error, 4 warning, 8 information.
  cfn-lint --format parseable --non-zero-exit-code warning -- "$@" || return 1
}

ran=
found=0
for t in cloudformation-validate cfn-lint; do
  [ -z "$tool" ] || [ "$tool" = $t ] || continue
  code=0
  case $t in cfn-lint) linter "$@" || code=$? ;; *) validator "$@" || code=$? ;; esac
  case $code in
  9) echo "SKIPPED: $t cannot be had here" >&2 ;;
  *) ran=1 && [ $code = 0 ] || found=1 ;;
  esac
done
[ -n "$ran" ] || exit 9
exit $found
