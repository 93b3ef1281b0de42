# One gateway before the services of the demo, as processes of their own. Sourced by scripts/dev.
# shellcheck shell=bash

# The program that runs; --binary chooses another.
BINARY=
# Arguments that are left when the options are taken out.
ARGUMENTS=()

# Takes the options that are common to what starts a gateway.
take_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --binary)
        [ -x "${2:-}" ] || die "--binary wants a program"
        BINARY=$(realpath "$2")
        shift
        ;;
      -*) die "there is no option $1" ;;
      *) ARGUMENTS+=("$1") ;;
    esac
    shift
  done
}

# Builds the program unless one was given.
need_binary() {
  [ -z "$BINARY" ] || return 0
  need_build
  say "building"
  cargo build
  BINARY=$(realpath "${CARGO_TARGET_DIR:-target}")/debug/nilegate
}

# The configuration: links to the demo's files, and what only holds here. Arguments are further
# files of conf/demo.
write_configuration() {
  local file
  for file in nilegate.yaml nilecare.graphql "$@"; do
    ln -s "$PWD/conf/demo/$file" "$RUN/conf/$file"
  done
  export UPGRADE_SOCKET=$RUN/upgrade.sock
  printf 'process:\n  reload: { interval: 200ms }\n' >"$RUN/conf/here.yaml"
  # A section stands in one file: stack.yaml has it too.
  [ -e "$RUN/conf/stack.yaml" ] ||
    printf '  shutdown: { drain_timeout: 5s, upgrade_socket: "%s" }\n' "$UPGRADE_SOCKET" >>"$RUN/conf/here.yaml"
}

# Each group of services that shares its data is a process, as in docker-compose.dev.yml.
start_services() {
  local variable port
  for variable in PATIENTS_1 PATIENTS_2 APPOINTMENTS APPOINTMENTS_CANARY MEDICATIONS LAB_ORDERS AUTH; do
    port=
    claim port 7001
    export "$variable=127.0.0.1:$port"
  done
  local -a demo=("$BINARY" demo --latency "${DEMO_LATENCY:-60ms}")
  start patients "${demo[@]}" --service "patients-1=$PATIENTS_1" --service "patients-2=$PATIENTS_2"
  start appointments "${demo[@]}" --service "appointments=$APPOINTMENTS" \
    --service "appointments-canary=$APPOINTMENTS_CANARY"
  start medications "${demo[@]}" --service "medications=$MEDICATIONS"
  start lab-orders "${demo[@]}" --service "lab-orders=$LAB_ORDERS"
  start auth "${demo[@]}" --service "auth=$AUTH"
  wait_for patients answers "http://$PATIENTS_1/health"
  wait_for appointments answers "http://$APPOINTMENTS/health"
  wait_for medications answers "http://$MEDICATIONS/health"
  wait_for lab-orders answers "http://$LAB_ORDERS/health"
  wait_for auth answers "http://$AUTH/health"
}

start_gateway() {
  claim GATEWAY_PORT 8080
  claim ADMIN_PORT 9900
  export GATEWAY=127.0.0.1:$GATEWAY_PORT ADMIN=127.0.0.1:$ADMIN_PORT
  start gateway "$BINARY" run --config "$RUN/conf"
  wait_for gateway "$BINARY" healthcheck --admin "$ADMIN"
}

# The ids of the gateways that have the configuration of this run: one, or two while one takes over.
gateways() {
  local folder
  local -a words
  for folder in /proc/[0-9]*; do
    mapfile -d '' -t words 2>/dev/null <"$folder/cmdline" || continue
    [[ " ${words[*]} " != *" --config $RUN/conf "* ]] || printf '%s\n' "${folder#/proc/}"
  done
}

# What the others need to know of a stack that runs.
stack_file() {
  printf '%s' "${CARGO_TARGET_DIR:-target}/dev-stack"
}

remember_stack() {
  mkdir -p "${CARGO_TARGET_DIR:-target}"
  printf 'OWNER=%s\nGATEWAY=%s\nTRACES=%s\n' "$$" "$GATEWAY" "$TRACES" >"$(stack_file)"
}

forget_stack() {
  if grep -qsx "OWNER=$$" "$(stack_file)"; then
    rm -f "$(stack_file)"
  fi
}
