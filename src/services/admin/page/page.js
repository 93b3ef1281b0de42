"use strict";
// Reads /metrics every two seconds and shows what happened since. Text from the gateway goes
// into text nodes only.
const EVERY = 2000, WINDOW = 15, KEPT = 90;
const $ = (id) => document.getElementById(id);
const scrapes = [], history = [];
let paused = false;

function parse(text) {
  const families = new Map();
  for (const line of text.split("\n")) {
    if (!line || line[0] === "#") continue;
    const open = line.indexOf("{"), end = open < 0 ? line.indexOf(" ") : open;
    const labels = {};
    let rest = line.slice(end);
    if (open >= 0) {
      const pattern = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/y;
      pattern.lastIndex = open + 1;
      let at = open + 1, found;
      while ((found = pattern.exec(line))) {
        labels[found[1]] = found[2].replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
        at = pattern.lastIndex;
      }
      rest = line.slice(at + 1);
    }
    const name = line.slice(0, end), list = families.get(name) || [];
    list.push({ labels, value: parseFloat(rest) });
    families.set(name, list);
  }
  return families;
}

const fits = (labels, wanted) => Object.entries(wanted).every(([key, value]) => typeof value === "function" ? value(labels[key]) : labels[key] === value);
function sum(scrape, name, wanted = {}) {
  let total = 0;
  for (const s of scrape.families.get(name) || []) if (fits(s.labels, wanted)) total += s.value;
  return total;
}
const has = (scrape, name) => (scrape.families.get(name) || []).length > 0;
function values(scrape, name, label, wanted = {}) {
  const all = (scrape.families.get(name) || []).filter((s) => fits(s.labels, wanted)).map((s) => s.labels[label]);
  return [...new Set(all)].sort();
}
function grown(pair, name, wanted) {
  const more = sum(pair[1], name, wanted) - sum(pair[0], name, wanted);
  return more < 0 ? sum(pair[1], name, wanted) : more;
}
const rate = (pair, name, wanted) => grown(pair, name, wanted) / pair.seconds;
function quantile(pair, q, name, wanted) {
  const buckets = new Map();
  for (const s of pair[1].families.get(name + "_bucket") || []) {
    if (!fits(s.labels, wanted)) continue;
    const le = s.labels.le === "+Inf" ? Infinity : parseFloat(s.labels.le);
    buckets.set(le, (buckets.get(le) || 0) + s.value);
  }
  for (const s of pair[0].families.get(name + "_bucket") || []) {
    if (!fits(s.labels, wanted)) continue;
    const le = s.labels.le === "+Inf" ? Infinity : parseFloat(s.labels.le);
    buckets.set(le, (buckets.get(le) || 0) - s.value);
  }
  const bounds = [...buckets.keys()].sort((a, b) => a - b), total = buckets.get(Infinity) || 0;
  if (total <= 0) return NaN;
  let below = 0, floor = 0;
  for (const bound of bounds) {
    const count = buckets.get(bound);
    if (count >= q * total) return bound === Infinity ? floor : floor + ((bound - floor) * (q * total - below)) / Math.max(count - below, 1e-9);
    below = count; floor = bound;
  }
  return NaN;
}

const nothing = "–";
const number = (n) => !isFinite(n) ? nothing : Number.isInteger(n) ? n.toLocaleString("en") : n < 10 ? n.toFixed(n < 0.1 ? 2 : 1) : Math.round(n).toLocaleString("en");
const percent = (n) => (isFinite(n) ? (100 * n).toFixed(n > 0 && n < 0.1 ? 2 : 1) + " %" : nothing);
const time = (s) => !isFinite(s) ? nothing : s === 0 ? "0" : s < 0.001 ? Math.round(s * 1e6) + " µs" : s < 1 ? (s * 1e3).toFixed(s < 0.1 ? 1 : 0) + " ms" : s.toFixed(2) + " s";
const bytes = (n) => n < 1024 ? n + " B" : n < 1048576 ? (n / 1024).toFixed(1) + " KiB" : n < 1073741824 ? (n / 1048576).toFixed(1) + " MiB" : (n / 1073741824).toFixed(2) + " GiB";
function span(seconds) {
  const [d, h, m] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min` : `${Math.floor(seconds)} s`;
}

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}
// A cell is a text, or [text, class], or an element. Heads that start with "#" are numbers.
function table(id, heads, rows, empty) {
  const head = element("tr");
  for (const h of heads) head.append(element("th", h.replace("#", ""), h[0] === "#" ? "n" : ""));
  const body = rows.map((row) => {
    const tr = element("tr");
    row.forEach((cell, i) => {
      const td = element("td", undefined, heads[i][0] === "#" ? "n" : "");
      if (cell instanceof Node) td.append(cell);
      else if (Array.isArray(cell)) td.append(element("span", cell[0], cell[1]));
      else td.textContent = cell;
      tr.append(td);
    });
    return tr;
  });
  if (!rows.length) {
    const td = element("td", empty, "empty"), tr = element("tr");
    td.colSpan = heads.length; tr.append(td);
    $(id).replaceChildren(tr);
  } else $(id).replaceChildren(head, ...body);
}

const svg = (name, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};
const line = (points, kind, width, height, top, left = 0) => {
  let d = "", drawing = false;
  points.forEach((value, i) => {
    if (!isFinite(value)) { drawing = false; return; }
    const x = left + (i / (KEPT - 1)) * (width - left), y = height - 2 - (value / top) * (height - 6);
    d += `${drawing ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`; drawing = true;
  });
  return svg("path", { d, class: kind });
};
const padded = (key) => Array(KEPT - history.length).fill(NaN).concat(history.map((h) => h[key]));
const round = (top) => { const step = 10 ** Math.floor(Math.log10(top)); return [1, 2, 5, 10].map((n) => n * step).find((n) => n >= top); };
function chart(id, keys, shown) {
  const box = $(id), width = box.clientWidth || 600, height = 170, left = 58;
  const series = keys.map(padded), top = round(Math.max(1e-9, ...series.flat().filter(isFinite)));
  const parts = [0, 0.5, 1].flatMap((share) => {
    const y = height - 2 - share * (height - 6), label = svg("text", { x: 0, y: Math.max(10, y - 2) });
    label.textContent = shown(share * top);
    return [svg("line", { class: "grid", x1: left, x2: width, y1: y, y2: y }), label];
  });
  box.setAttribute("viewBox", `0 0 ${width} ${height}`);
  box.replaceChildren(...parts, ...series.map((points, i) => line(points, "s" + (i + 1), width, height, top, left)));
}
function legend(id, names) {
  $(id).replaceChildren(...names.flatMap((name, i) => [element("i", undefined, "b" + (i + 1)), document.createTextNode(name)]));
}
function tiles(list) {
  $("tiles").replaceChildren(...list.map(([name, value, key, kind]) => {
    const tile = element("div", undefined, "tile"), spark = svg("svg", { viewBox: "0 0 150 26", preserveAspectRatio: "none", "aria-hidden": "true" });
    const points = padded(key), top = Math.max(1e-9, ...points.filter(isFinite));
    spark.append(line(points, "s2", 150, 26, top));
    tile.append(element("span", name, "name"), element("span", value, "value " + (kind || "")), spark);
    return tile;
  }));
}

function show(pair) {
  const now = pair[1], requests = rate(pair, "http_requests_total"), class_ = (n) => ({ status_code: (code) => code[0] === n });
  const failed = rate(pair, "http_requests_total", class_("5")), share = requests ? failed / requests : NaN;
  const asked = grown(pair, "cache_requests_total", { result: (r) => r !== "bypass" });
  const hits = asked ? grown(pair, "cache_requests_total", { result: (r) => ["hit", "stale", "revalidated"].includes(r) }) / asked : NaN;
  const q = (n) => quantile(pair, n, "http_request_duration_seconds", { status_code: (code) => code !== "101" });
  const sample = {
    requests, share, hits, p50: q(0.5), p95: q(0.95), p99: q(0.99),
    flight: sum(now, "proxy_requests_in_flight"), connections: sum(now, "active_connections"),
    c2: rate(pair, "http_requests_total", class_("2")), c3: rate(pair, "http_requests_total", class_("3")),
    c4: rate(pair, "http_requests_total", class_("4")), c5: failed,
  };
  history.push(sample);
  if (history.length > KEPT) history.shift();
  tiles([
    ["Requests a second", number(requests), "requests"],
    ["Answered with 5xx", percent(share), "share", share > 0.01 ? "bad" : ""],
    ["Median", time(sample.p50), "p50"], ["p99", time(sample.p99), "p99", sample.p99 > 0.5 ? "warn" : ""],
    ["Cache hits", percent(hits), "hits"], ["In flight", number(sample.flight), "flight"],
    ["Connections", number(sample.connections), "connections"],
  ]);
  chart("traffic", ["c2", "c3", "c4", "c5"], number);
  chart("latency", ["p50", "p95", "p99"], time);
  routes(pair); cache(pair); versions(pair); upstreams(pair); reasons(pair); limits(pair); facts(now);
}

function routes(pair) {
  const rows = values(pair[1], "http_requests_total", "route").map((route) => {
    const all = rate(pair, "http_requests_total", { route }), bad = rate(pair, "http_requests_total", { route, status_code: (c) => c[0] === "5" });
    const q = (n) => time(quantile(pair, n, "http_request_duration_seconds", { route, status_code: (c) => c !== "101" }));
    const asked = grown(pair, "cache_requests_total", { route, result: (r) => r !== "bypass" });
    const hit = asked ? grown(pair, "cache_requests_total", { route, result: (r) => ["hit", "stale", "revalidated"].includes(r) }) / asked : NaN;
    return { all, cells: [route, number(all), [percent(all ? bad / all : NaN), bad ? "bad" : ""], q(0.5), q(0.99), percent(hit), number(sum(pair[1], "proxy_requests_in_flight", { route })), number(sum(pair[1], "http_requests_total", { route }))] };
  });
  rows.sort((a, b) => b.all - a.all);
  table("routes", ["route", "#req/s", "#5xx", "#median", "#p99", "#hits", "#in flight", "#since start"], rows.slice(0, 50).map((r) => r.cells), "No request yet.");
}

function cache(pair) {
  const rows = values(pair[1], "cache_hits_total", "tier").map((tier) => {
    const hit = grown(pair, "cache_hits_total", { tier }), miss = grown(pair, "cache_misses_total", { tier });
    const size = sum(pair[1], "cache_size_bytes", { tier }), room = sum(pair[1], "cache_capacity_bytes", { tier });
    const up = (pair[1].families.get("cache_backend_up") || []).find((s) => s.labels.tier === tier);
    const meter = element("meter");
    meter.max = Math.max(room, 1); meter.value = size; meter.title = `${bytes(size)} of ${bytes(room)}`;
    const filled = element("span");
    if (room) filled.append(meter, document.createTextNode(" " + bytes(size)));
    else filled.append(element("span", up && up.value ? "reachable" : "not reachable", up && up.value ? "ok" : "bad"));
    return [tier, percent(hit + miss ? hit / (hit + miss) : NaN), number((hit + miss) / pair.seconds), time(quantile(pair, 0.99, "cache_lookup_duration_seconds", { tier })), room ? number(sum(pair[1], "cache_entries", { tier })) : "", filled];
  });
  table("cache", ["tier", "#hits", "#lookups/s", "#p99", "#entries", "state"], rows, "No route keeps responses.");
}

function versions(pair) {
  const all = rate(pair, "proxy_api_version_requests_total");
  const rows = values(pair[1], "proxy_api_version_requests_total", "version").map((version) => {
    const own = rate(pair, "proxy_api_version_requests_total", { version });
    const end = (pair[1].families.get("proxy_api_version_sunset_timestamp_seconds") || []).find((s) => s.labels.version === version);
    const left = end ? Math.floor((end.value - Date.now() / 1000) / 86400) : NaN;
    const days = end ? [left < 0 ? "over" : left + " days", left < 30 ? "bad" : left < 90 ? "warn" : ""] : "";
    return [version, number(own), percent(all ? own / all : NaN), number(sum(pair[1], "proxy_api_version_requests_total", { version })), days];
  });
  table("versions", ["version", "#req/s", "#share", "#since start", "ends in"], rows, "The configuration names no versions.");
}

function upstreams(pair) {
  const states = ["closed", "half open", "open"];
  const rows = values(pair[1], "proxy_upstream_endpoints", "upstream").map((upstream) => {
    const own = { upstream }, backends = element("span");
    for (const s of pair[1].families.get("proxy_upstream_endpoint_up") || []) {
      if (s.labels.upstream !== upstream) continue;
      const backend = element("span", undefined, "backend");
      const dot = element("i", undefined, "dot" + (s.value ? "" : " bad"));
      dot.title = s.value ? "healthy" : "not used";
      backend.append(dot, document.createTextNode(s.labels.endpoint + (s.value ? "" : " (down)")));
      backends.append(backend);
    }
    const errors = rate(pair, "proxy_upstream_errors_total", own), breaker = sum(pair[1], "proxy_circuit_breaker_state", own);
    return [upstream, number(rate(pair, "proxy_upstream_requests_total", own)), [number(errors), errors ? "bad" : ""], number(rate(pair, "proxy_upstream_retries_total", own)),
      time(quantile(pair, 0.5, "proxy_upstream_time_to_first_byte_seconds", own)), time(quantile(pair, 0.99, "proxy_upstream_request_duration_seconds", own)),
      `${sum(pair[1], "proxy_upstream_connections", { upstream, state: "in_use" })} + ${sum(pair[1], "proxy_upstream_connections", { upstream, state: "idle" })}`,
      [states[breaker] || "?", breaker ? "bad" : "soft"], backends];
  });
  table("upstreams", ["upstream", "#attempts/s", "#failed/s", "#again/s", "#first byte", "#p99", "#in use + idle", "breaker", "backends"], rows, "No upstream.");
}

function reasons(pair) {
  const rows = values(pair[1], "proxy_request_errors_total", "reason").map((reason) => {
    const total = sum(pair[1], "proxy_request_errors_total", { reason });
    return { total, cells: [reason, number(rate(pair, "proxy_request_errors_total", { reason })), number(total)] };
  }).filter((row) => row.total > 0).sort((a, b) => b.total - a.total);
  table("reasons", ["reason", "#req/s", "#since start"], rows.slice(0, 12).map((r) => r.cells), "Nothing.");
}

function limits(pair) {
  const rows = values(pair[1], "rate_limit_requests_total", "limit").map((limit) => {
    const refused = rate(pair, "rate_limit_requests_total", { limit, result: "refused" });
    return [limit, number(rate(pair, "rate_limit_requests_total", { limit, result: "passed" })), [number(refused), refused ? "warn" : ""], number(sum(pair[1], "rate_limit_requests_total", { limit, result: "refused" }))];
  });
  table("limits", ["limit", "#passed/s", "#refused/s", "#refused since start"], rows, "No route has a limit.");
}

function facts(now) {
  const build = (now.families.get("proxy_build_info") || [{ labels: {} }])[0].labels, clock = Date.now() / 1000;
  const start = sum(now, "process_start_time_seconds"), loaded = sum(now, "proxy_config_last_reload_success_timestamp_seconds");
  const parts = [`version ${build.version}`, `up ${span(clock - start)}`, `configuration ${sum(now, "proxy_config_generation")}, read ${span(Math.max(0, clock - loaded))} ago`];
  if (has(now, "process_resident_memory_bytes")) parts.push(bytes(sum(now, "process_resident_memory_bytes")));
  $("facts").textContent = parts.join(" · ");
}

async function errors() {
  const token = sessionStorage.getItem("token"), headers = token ? { Authorization: "Bearer " + token } : {};
  const answer = await fetch("errors", { headers });
  document.querySelector(".token").hidden = answer.status !== 401 && !token;
  if (!answer.ok) return table("errors", [""], [], "This list needs the token of the admin port.");
  const rows = (await answer.json()).errors.slice(0, 25).map((e) => {
    const where = [e.upstream, e.backend].filter(Boolean).join(" → ");
    return [e.time.slice(11, 23), [e.status ? String(e.status) : "none", "bad"], `${e.method} ${e.pattern || ""}`, e.route || "", e.reason || "the backend said so", where, String(e.attempts), time(e.duration_us / 1e6), element("code", e.trace_id || e.request_id)];
  });
  table("errors", ["time (UTC)", "status", "request", "route", "reason", "upstream → backend", "#tries", "#took", "trace or request id"], rows, "None since the start.");
}

async function ready() {
  const answer = await fetch("readyz"), body = await answer.json(), pill = $("state");
  pill.textContent = answer.ok ? "ready" : body.reasons.join(", ") || "not ready";
  pill.className = "pill " + (answer.ok ? "ok" : "bad");
}

async function tick() {
  if (paused || document.hidden) return;
  try {
    const answer = await fetch("metrics", { headers: { Accept: "text/plain" } });
    scrapes.push({ at: performance.now(), families: parse(await answer.text()) });
    while (scrapes.length > 2 && scrapes[scrapes.length - 1].at - scrapes[1].at >= WINDOW * 1000) scrapes.shift();
    if (scrapes.length > 1) {
      const pair = [scrapes[0], scrapes[scrapes.length - 1]];
      pair.seconds = (pair[1].at - pair[0].at) / 1000;
      show(pair);
      $("foot").textContent = `Rates and times of the last ${Math.round(pair.seconds)} seconds; read anew every ${EVERY / 1000} s.`;
    } else facts(scrapes[0]);
    await Promise.all([ready(), errors()]);
  } catch (problem) {
    $("state").textContent = "no answer";
    $("state").className = "pill bad";
  }
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").textContent = paused ? "Go on" : "Pause";
  $("pause").setAttribute("aria-pressed", String(paused));
});
$("token").addEventListener("change", () => { sessionStorage.setItem("token", $("token").value); tick(); });
legend("traffic-legend", ["2xx", "3xx", "4xx", "5xx"]);
legend("latency-legend", ["median", "p95", "p99"]);
tick();
setInterval(tick, EVERY);
