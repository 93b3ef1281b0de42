# The demo, replaced by what is built anew while it serves. Sourced by scripts/dev.
# shellcheck shell=bash

watch() {
  take_options "$@"
  need curl
  need_binary
  begin
  write_configuration
  start_services
  start_gateway
  BUILT=$(source_state)
  say "http://$GATEWAY (admin port http://$ADMIN)"
  say "saved: conf/demo is read anew; src is built and takes over. Any key stops all"
  tail -n 0 -f "$RUN/log/gateway" </dev/null &
  PROCESSES["log"]=$!
  attend look
  say "stopping"
}

look() {
  local now
  now=$(source_state)
  [ "$now" != "$BUILT" ] || return 0
  BUILT=$now
  rebuild
}

# Names, times and sizes of what the program is made of.
source_state() {
  find src Cargo.toml Cargo.lock scripts/version.rs -type f -printf '%p %T@ %s\n' | sort | cksum
}

# Builds, and has the new program take over. What does not build or start changes nothing.
rebuild() {
  local before began=$SECONDS
  before=$(stat -Lc '%i %Y' "$BINARY")
  say "building"
  # In the background, so that a signal need not wait for it.
  cargo build &
  PROCESSES["build"]=$!
  local built=yes
  wait "${PROCESSES[build]}" || built=no
  unset 'PROCESSES[build]'
  if [ "$built" = no ]; then
    say "it does not build: the old program serves on"
  elif [ "$(stat -Lc '%i %Y' "$BINARY")" = "$before" ]; then
    say "nothing changed"
  else
    hand_over "$began"
  fi
}

# The running gateway starts its successor, hands the listeners over, and ends (SIGUSR2).
hand_over() {
  local old deadline=$((SECONDS + 20))
  old=$(gateways | head -n 1)
  kill -USR2 "$old"
  while kill -0 "$old" 2>/dev/null; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      say "the new program did not take over: the old one serves on"
      return
    fi
    sleep 0.05
  done
  if "$BINARY" healthcheck --admin "$ADMIN" >/dev/null; then
    say "the new program serves, $((SECONDS - $1)) s after the change"
  else
    fail "gateway is not ready after the change"
  fi
}
