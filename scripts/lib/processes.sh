# Processes that belong to one command, and end with it. Sourced by scripts/dev.
# shellcheck shell=bash

# What was started: the id of the process by its name.
declare -A PROCESSES=()
# Ports that were given out.
PORTS=" "
# Who waits for a key, and how the terminal was before.
KEYS=
TERMINAL=
# Where the files and the output of what runs are; gone in the end.
RUN=

# From here on everything that is started ends with this shell.
begin() {
  RUN=$(mktemp -d "${TMPDIR:-/tmp}/nilegate-dev.XXXXXX")
  mkdir "$RUN/log" "$RUN/conf"
  TERMINAL=$(stty -g 2>/dev/null || true)
  trap end EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

# Ends everything, and what does not want to by force.
end() {
  local status=$? deadline=$((SECONDS + 10)) pid
  trap '' INT TERM HUP
  trap - EXIT
  local -a all=("${PROCESSES[@]}" ${KEYS:+"$KEYS"})
  mapfile -t -O "${#all[@]}" all < <(gateways)
  for pid in "${all[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
  done
  for pid in "${all[@]}"; do
    while kill -0 "$pid" 2>/dev/null; do
      [ "$SECONDS" -lt "$deadline" ] || kill -KILL "$pid" 2>/dev/null || true
      sleep 0.05
    done
  done
  [ -z "$TERMINAL" ] || stty "$TERMINAL"
  forget_stack
  rm -rf "$RUN"
  exit "$status"
}

# start NAME COMMAND...: in the background; what it prints goes to a file of its name.
start() {
  local name=$1
  shift
  "$@" >"$RUN/log/$name" 2>&1 </dev/null &
  PROCESSES[$name]=$!
}

# A gateway may have handed over to another one.
is_running() {
  kill -0 "${PROCESSES[$1]}" 2>/dev/null || { [ "$1" = gateway ] && [ -n "$(gateways)" ]; }
}

# wait_for NAME COMMAND...: until the command succeeds. Whatever ends or takes longer than
# half a minute shows its last words.
wait_for() {
  local name=$1 deadline=$((SECONDS + 30))
  shift
  until "$@" >/dev/null 2>&1; do
    is_running "$name" || fail "$name ended at once"
    [ "$SECONDS" -lt "$deadline" ] || fail "$name does not answer"
    sleep 0.1
  done
}

fail() {
  local name=${1%% *}
  [ ! -e "$RUN/log/$name" ] || tail -n 20 "$RUN/log/$name" >&2
  die "$1"
}

# Whether a URL answers with 2xx.
answers() {
  curl -fsS -o /dev/null --max-time 5 "$1"
}

# claim VARIABLE PORT: sets the variable to this port of loopback, or to the next one on which
# nobody listens. One that is set already is left as it is.
claim() {
  local claimed=${!1:-}
  if [ -z "$claimed" ]; then
    claimed=$2
    while [[ $PORTS == *" $claimed "* ]] || (: <"/dev/tcp/127.0.0.1/$claimed") 2>/dev/null; do
      claimed=$((claimed + 1))
    done
  fi
  PORTS+="$claimed "
  printf -v "$1" %s "$claimed"
}

# attend COMMAND...: runs the command again and again until a key is pressed, or a process ends.
attend() {
  local name
  # Somebody else waits for the key: a signal that meets `read -t` brings bash 5.2 down.
  (read -rsn 1 && : >"$RUN/key") <&0 &
  KEYS=$!
  until [ -e "$RUN/key" ]; do
    for name in "${!PROCESSES[@]}"; do
      is_running "$name" || fail "$name has ended"
    done
    "$@"
    sleep 0.3
  done
}
