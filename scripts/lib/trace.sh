# The trace of one request, as text. Sourced by scripts/dev.
# shellcheck shell=bash

trace() {
  take_options "$@"
  local what=${ARGUMENTS[0]:-/api/v1/patients/1}
  need curl node
  if [[ $what =~ ^[0-9a-f]{32}$ ]]; then
    find_stack || die "no stack runs: start one with scripts/dev stack"
    curl -fsS "$TRACES/traces/$what" || die "the stack has no trace $what"
    return
  fi
  [[ $what == /* ]] || die "neither a path nor the id of a trace: $what"
  find_stack || start_traced
  request "$what"
}

# Where the stack of this checkout listens, if one runs.
find_stack() {
  local OWNER
  [ -e "$(stack_file)" ] || return 1
  # shellcheck source=/dev/null
  . "$(stack_file)"
  kill -0 "$OWNER" 2>/dev/null
}

# As little as a trace needs.
start_traced() {
  need_binary
  begin
  start_traces
  write_configuration
  cat >>"$RUN/conf/here.yaml" <<YAML
  telemetry:
    tracing:
      trust: always
      export: { protocol: http, endpoint: "$TRACES/v1/traces", interval: 100ms }
YAML
  start_services
  start_gateway
}

# Sends a request that names its trace, and shows it when its last span is there.
request() {
  local id span deadline=$((SECONDS + 10))
  id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  span=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
  curl -sS -o /dev/null -w 'GET %{url} → %{http_code} in %{time_total} s\n' \
    -H "traceparent: 00-$id-$span-01" "http://$GATEWAY$1"
  # The span of the request itself ends after all others, but for what goes on without it.
  until curl -fsS "$TRACES/traces/$id?child-of=$span" 2>/dev/null; do
    [ "$SECONDS" -lt "$deadline" ] || die "the trace did not arrive at $TRACES"
    sleep 0.1
  done
}
