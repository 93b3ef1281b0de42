# Looking for tools, and installing them. Sourced by scripts/dev.
# shellcheck shell=bash

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# The Debian packages for those of the given tools that are not here yet.
missing_packages() {
  local tool
  for tool in "$@"; do
    have "$tool" && continue
    case $tool in
      cc) echo gcc libc6-dev ;;
      c++) echo g++ ;;
      redis-server) echo redis-server ;;
      promtool) echo prometheus ;;
      amtool) echo prometheus-alertmanager ;;
      node) echo nodejs ;;
      *) echo "$tool" ;;
    esac
  done
}

# Installs Debian packages, or says which command would.
install_packages() {
  local -a as_root=()
  if ! have apt-get; then
    die "please install: $*"
  elif [ "$(id -u)" -ne 0 ]; then
    if have sudo && sudo -n true 2>/dev/null; then
      as_root=(sudo)
    else
      printf 'error: some tools are missing. As root, run:\n\n' >&2
      printf '  apt-get update && apt-get install -y --no-install-recommends %s\n\n' "$*" >&2
      printf 'then start this command again.\n' >&2
      exit 1
    fi
  fi
  say "installing $*"
  # Tests start what they need on free ports: packages must not start services.
  # policy-rc.d is Debian's switch for that; one that is there already is left alone.
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    # shellcheck disable=SC2064  # the words are meant to be expanded now
    trap "${as_root[*]} rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod +x "$policy"
  fi
  # One package list out of reach is no reason to stop: what counts is whether
  # the tools are there afterwards, and `need` looks.
  quietly "${as_root[@]}" apt-get update -qq || true
  quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" || true
  if [ -n "$(trap -p EXIT)" ]; then
    "${as_root[@]}" rm -f "$policy"
    trap - EXIT
  fi
  # Nor is one to start at the next boot.
  local service
  for service in redis-server prometheus prometheus-alertmanager; do
    if [[ " $* " == *" $service "* ]] && have systemctl; then
      quietly "${as_root[@]}" systemctl disable "$service" || true
    fi
  done
}

# Runs a command without input; shows its output only if it fails.
quietly() {
  local output
  output=$("$@" 2>&1 </dev/null) && return
  printf '%s\nwarning: failed: %s\n' "$output" "$*" >&2
  return 1
}

# Makes sure of tools, installing their packages where it may.
need() {
  local -a packages
  mapfile -t packages < <(missing_packages "$@" | tr ' ' '\n' | sort -u)
  [ "${#packages[@]}" -eq 0 ] && return
  install_packages "${packages[@]}"
  local tool
  for tool in "$@"; do
    have "$tool" || die "$tool is still missing after installing ${packages[*]}"
  done
}

need_rust() {
  if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
  fi
  have cargo || die "no Rust toolchain. Install one from https://rustup.rs, 1.90 or later"
}

need_components() {
  need_rust
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return
  have rustup || die "cargo fmt or cargo clippy is missing from this toolchain"
  rustup component add rustfmt clippy
}

# Compilers and cmake, for the C parts of two dependencies (zlib-ng, ring).
need_build() {
  need_rust
  need cc c++ make cmake curl
}

# What tests start beside the gateway. Asked for in one go with the compilers,
# so that whoever has to type the command has to type one.
need_test() {
  need_rust
  need cc c++ make cmake curl redis-server promtool amtool node npm
  need_reference tests/graphql
  need_reference tests/playground
}

# Installs what a directory's lock file names from npm, unless it is here already: the lock
# file that npm leaves beside its packages then is that of the directory.
need_reference() {
  local directory=$1
  [ "$directory/package-lock.json" -nt "$directory/node_modules/.package-lock.json" ] || return 0
  say "installing the packages of $directory"
  quietly npm ci --prefix "$directory" --no-audit --no-fund --ignore-scripts ||
    die "npm could not install the packages of $directory"
}

# Installs a cargo subcommand from crates.io unless some version is here.
# A tool that runs for seconds need not be optimised for minutes.
need_cargo_tool() {
  local name=$1 version=$2
  shift 2
  cargo "$name" --version >/dev/null 2>&1 && return
  say "building cargo-$name $version (once)"
  CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
    cargo install --locked --quiet "cargo-$name" --version "$version" "$@" </dev/null
}
