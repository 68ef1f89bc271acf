#!/bin/sh
# Makes a clone ready: npm packages, then the build. Silent and quick when there is nothing to do.
#
#   setup.sh all        packages and build          setup.sh packages   packages only
#   setup.sh stamp      prints what the build depends on, in one line (build.mjs writes it into dist/.built)
#
# Each part writes its marker last, so whatever is interrupted is done again. Two at once: one works, the
# other waits and finds it done. Reports on stderr.
set -eu
cd -P -- "$(dirname -- "$0")/../.."

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

# The compiled part of better-sqlite3 belongs to one major version of Node.
packages_stamp() { echo "$(cksum <package-lock.json) $(node --version | cut -d. -f1)"; }
source_stamp() {
  {
    find accounting payments shared lab -name '*.ts' ! -name '*.test.ts' -print | LC_ALL=C sort | xargs cksum
    cksum tsconfig.json tsconfig.build.json package-lock.json
  } | cksum
}
packages_ready() { [ "$(cat node_modules/.obtc-ready 2>/dev/null)" = "$(packages_stamp)" ]; }
build_ready() { [ "$(cat dist/.built 2>/dev/null)" = "$(source_stamp)" ]; }

# One at a time. flock needs no file of its own and cannot be left behind; elsewhere a directory with the
# process id in it serves, and is taken over, in place, when that process is gone.
lock() {
  if command -v flock >/dev/null 2>&1; then
    exec 9<package-lock.json
    flock -n 9 || { say 'another start is setting up; waiting for it'; flock 9; }
    return
  fi
  waited=0
  until mkdir .setup-lock 2>/dev/null || take_over; do
    [ -d .setup-lock ] || fail "$(pwd) is not writable, but it must be set up: run this once as its owner."
    [ "$waited" -gt 0 ] || say 'another start is setting up; waiting for it (if none is, remove .setup-lock)'
    waited=$((waited + 1))
    sleep 1
  done
  trap 'rm -rf .setup-lock' EXIT
  trap 'exit 130' INT TERM HUP
  echo $$ >.setup-lock/pid
}
# Only one may take over, and it looks again once it is the one: another may just have done so.
take_over() {
  holder_gone && mkdir .setup-lock/takeover 2>/dev/null || return 1
  if holder_gone; then echo $$ >.setup-lock/pid; taken=0; else taken=1; fi
  rmdir .setup-lock/takeover
  return "$taken"
}
# A lock without a process id is either being taken now or was left behind between mkdir and echo.
holder_gone() {
  holder=$(cat .setup-lock/pid 2>/dev/null) || holder=
  if [ -n "$holder" ]; then ! kill -0 "$holder" 2>/dev/null; else [ "${waited:-0}" -gt 10 ]; fi
}

compiler_missing() {
  for tool in make c++ python3; do command -v "$tool" >/dev/null 2>&1 || return 0; done
  return 1
}

install_compiler() {
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
    say 'better-sqlite3 must be compiled and there is no compiler: apt-get install build-essential python3'
    apt-get update -qq >&2 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends build-essential python3 >&2 ||
      fail 'apt-get could not install build-essential and python3; install them and start again.'
    return
  fi
  fail 'better-sqlite3 must be compiled: install a C++ compiler, make and python3' \
    '(Debian and Ubuntu: build-essential python3) and start again.'
}

# npm writes .package-lock.json when an installation is complete; somebody ran it by hand.
installed_by_hand() {
  [ -f node_modules/.package-lock.json ] && npm ls --all >/dev/null 2>&1 && sqlite_works
}
sqlite_works() { node -e 'new (require("better-sqlite3"))(":memory:").close()' >/dev/null 2>&1; }

install_packages() {
  command -v npm >/dev/null 2>&1 || fail 'npm is missing; install it (it comes with Node.js) and start again.'
  [ -w . ] || fail "$(pwd) is not writable, but npm packages must be installed in it: run this once as its owner."
  if ! installed_by_hand; then
    say 'installing npm packages, on first use only (about a minute)'
    rm -f node_modules/.obtc-ready
    if ! npm_ci; then
      compiler_missing || fail 'npm could not install the packages; what it said stands above.'
      install_compiler
      npm_ci || fail 'npm could not install the packages; what it said stands above.'
    fi
    sqlite_works || fail 'better-sqlite3 is installed but does not load; remove node_modules and start again.'
  fi
  packages_stamp >node_modules/.obtc-ready
}
npm_ci() { npm ci --include=dev --no-audit --no-fund --loglevel=error </dev/null >&2 9<&-; }

build() {
  [ -w . ] || fail "$(pwd) is not writable, but dist/ must be built in it: run this once as its owner."
  say 'building'
  node lab/setup/build.mjs </dev/null >&2 9<&- || fail 'the build failed; what it said stands above.'
}

case ${1:-all} in
  stamp) source_stamp ;;
  packages)
    packages_ready && exit 0
    lock
    packages_ready || install_packages
    ;;
  all)
    packages_ready && build_ready && exit 0
    lock
    packages_ready || install_packages
    build_ready || build
    ;;
  *) fail "unknown part: $1" ;;
esac
