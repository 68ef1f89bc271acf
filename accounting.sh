#!/bin/sh
# Starts the accounting daemon; on first use it installs and builds before. Everything it says goes to stderr.
#
#   ./accounting.sh [-c ckpool.conf] [command] [options]     see ./accounting.sh --help
#   ./accounting.sh demo                                     a throwaway pool that pays its miners
#
# Works from any directory: a relative -c stays relative to the caller's. Writes nothing once all is in place.
set -eu

# Through symbolic links to the directory that this file really stands in.
self=$0
while [ -h "$self" ]; do
  target=$(readlink -- "$self")
  case $target in
    /*) self=$target ;;
    *) self=$(dirname -- "$self")/$target ;;
  esac
done
here=$(CDPATH='' cd -P -- "$(dirname -- "$self")" && pwd)

version=$(node --version 2>/dev/null) || version=
major=${version#v}
major=${major%%.*}
if ! [ "${major:-0}" -ge 20 ] 2>/dev/null; then
  echo "accounting.sh: Node.js 20 or newer is needed, found ${version:-none}; install it and start again." >&2
  exit 2
fi

# A package from a registry comes built and without lab/setup; a clone builds itself.
if [ -f "$here/lab/setup/setup.sh" ]; then
  sh "$here/lab/setup/setup.sh" all >&2 || exit 2
fi

if [ "${1:-}" = demo ]; then
  shift
  exec node "$here/dist/lab/demo.js" "$@"
fi
exec node "$here/dist/accounting/main.js" "$@"
