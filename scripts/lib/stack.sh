# What docker-compose.dev.yml starts, without Docker: Debian's packages. Sourced by scripts/dev.
# shellcheck shell=bash

# Takes OTLP over HTTP and shows traces as text: Debian has no collector.
start_traces() {
  claim TRACES_PORT 4318
  TRACES=http://127.0.0.1:$TRACES_PORT
  export OTEL_EXPORTER_OTLP_ENDPOINT=$TRACES/v1/traces OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
  start traces node scripts/lib/traces.mjs "$TRACES_PORT"
  wait_for traces answers "$TRACES/"
}

start_redis() {
  claim REDIS_PORT 6379
  export REDIS_HOST=127.0.0.1 REDIS_PORT REDIS_PASSWORD=${REDIS_PASSWORD:-nilecare-dev}
  mkdir "$RUN/redis"
  # A file, because everyone may read the arguments of a process.
  cat >"$RUN/redis.conf" <<CONF
bind 127.0.0.1
port $REDIS_PORT
dir $RUN/redis
save ""
appendonly yes
maxmemory 256mb
maxmemory-policy allkeys-lru
requirepass $REDIS_PASSWORD
CONF
  start redis redis-server "$RUN/redis.conf"
  wait_for redis env REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli -e -p "$REDIS_PORT" ping
}

start_alertmanager() {
  claim ALERTMANAGER_PORT 9093
  start alertmanager prometheus-alertmanager --config.file=deploy/alertmanager/alertmanager.yml \
    --storage.path="$RUN/alertmanager" --cluster.listen-address= \
    --web.listen-address="127.0.0.1:$ALERTMANAGER_PORT"
}

start_prometheus() {
  claim PROMETHEUS_PORT 9090
  cat >"$RUN/prometheus.yml" <<YAML
global: { scrape_interval: 5s, evaluation_interval: 15s }
rule_files: [$PWD/deploy/prometheus/recording.yml, $PWD/deploy/prometheus/alerts.yml]
alerting: { alertmanagers: [{ static_configs: [{ targets: ["127.0.0.1:$ALERTMANAGER_PORT"] }] }] }
scrape_configs: [{ job_name: nilegate, static_configs: [{ targets: ["$ADMIN"] }] }]
YAML
  start prometheus prometheus --config.file="$RUN/prometheus.yml" --storage.tsdb.path="$RUN/prometheus" \
    --enable-feature=exemplar-storage --web.enable-lifecycle \
    --web.listen-address="127.0.0.1:$PROMETHEUS_PORT"
}

# Debian has no package of it: that of its makers is used where it is installed.
start_grafana() {
  claim GRAFANA_PORT 3000
  mkdir -p "$RUN/grafana/provisioning/datasources" "$RUN/grafana/dashboards"
  ln -s "$PWD/deploy/grafana/provisioning/dashboards" "$RUN/grafana/provisioning/dashboards"
  # Traces are text here: no data source for them.
  cat >"$RUN/grafana/provisioning/datasources/nilegate.yml" <<YAML
apiVersion: 1
datasources:
  - name: Prometheus
    uid: nilegate-prometheus
    type: prometheus
    isDefault: true
    url: http://127.0.0.1:$PROMETHEUS_PORT
    jsonData: { timeInterval: 5s }
YAML
  start grafana env GF_PATHS_PROVISIONING="$RUN/grafana/provisioning" GF_PATHS_DATA="$RUN/grafana" \
    GF_PATHS_LOGS="$RUN/grafana" GF_SERVER_HTTP_ADDR=127.0.0.1 GF_SERVER_HTTP_PORT="$GRAFANA_PORT" \
    GF_SECURITY_ADMIN_PASSWORD="${GRAFANA_PASSWORD:-nilecare-dev}" \
    GF_ANALYTICS_REPORTING_ENABLED=false GF_ANALYTICS_CHECK_FOR_UPDATES=false \
    grafana-server --homepath /usr/share/grafana
}

stack() {
  take_options "$@"
  need curl redis-server promtool amtool node
  need_binary
  local began=$SECONDS
  begin
  write_configuration stack.yaml
  start_redis
  start_traces
  start_services
  start_gateway
  start_alertmanager
  start_prometheus
  ! have grafana-server || start_grafana
  wait_for alertmanager answers "http://127.0.0.1:$ALERTMANAGER_PORT/-/ready"
  wait_for prometheus answers "http://127.0.0.1:$PROMETHEUS_PORT/-/ready"
  ! have grafana-server || wait_for grafana answers "http://127.0.0.1:$GRAFANA_PORT/api/health"
  remember_stack
  say "up after $((SECONDS - began)) s"
  access_points
  attend true
  say "stopping"
}

access_points() {
  cat <<TEXT
  gateway        http://$GATEWAY       try /api/v1/patients/1, /graphql
  admin port     http://$ADMIN       what happens now
  Prometheus     http://127.0.0.1:$PROMETHEUS_PORT
  Alertmanager   http://127.0.0.1:$ALERTMANAGER_PORT
  traces         $TRACES       or: scripts/dev trace /api/v1/patients/1
  Redis          redis://127.0.0.1:$REDIS_PORT      password ${REDIS_PASSWORD}
  Grafana        $(if have grafana-server; then printf 'http://127.0.0.1:%s       admin' "$GRAFANA_PORT"; else printf 'is not installed'; fi)
  configuration  conf/demo                   read anew when it is saved
  output         $RUN/log

Any key stops all.
TEXT
}
