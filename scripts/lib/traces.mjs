// A receiver of traces for development: OTLP over HTTP in, text out.
//
//   node scripts/lib/traces.mjs PORT
//
//   POST /v1/traces               what exporters send (protobuf)
//   GET  /                        the newest traces, one a line
//   GET  /traces/ID               the spans of one, as a tree
//   GET  /traces/ID?child-of=ID   the same, but 404 until a span with this parent is there
//
// It keeps the newest traces in memory, and listens on loopback only.

import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

const KEPT = 1000;
const LARGEST_EXPORT = 16 * 1024 * 1024;

/** The fields of a protobuf message: [number, value], where a value is a BigInt or bytes. */
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (at >= bytes.length) throw new RangeError("the message ends within a number");
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length) => {
    if (at + length > bytes.length) throw new RangeError("the message ends within a field");
    return bytes.subarray(at, (at += length));
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const wire = key & 7;
    if (wire === 0) yield [key >> 3, varint()];
    else if (wire === 1) yield [key >> 3, take(8)];
    else if (wire === 2) yield [key >> 3, take(Number(varint()))];
    else if (wire === 5) yield [key >> 3, take(4)];
    else throw new RangeError(`no such wire type: ${wire}`);
  }
}

const all = (bytes, number) => [...fields(bytes)].filter(([n]) => n === number).map(([, value]) => value);
const text = (bytes) => Buffer.from(bytes).toString("utf8");

/** An AnyValue: numbers and the rest as text. */
function anyValue(bytes) {
  for (const [number, value] of fields(bytes)) {
    if (number === 1) return text(value);
    if (number === 2) return String(value === 1n);
    if (number === 3) return String(BigInt.asIntN(64, value));
    if (number === 4) return String(Buffer.from(value).readDoubleLE());
    if (number === 5) return `[${all(value, 1).map(anyValue).join(", ")}]`;
    return "…";
  }
  return "";
}

function attribute(bytes) {
  const [key] = all(bytes, 1);
  const [value] = all(bytes, 2);
  return [text(key ?? []), value ? anyValue(value) : ""];
}

/** `Span` of opentelemetry/proto/trace/v1/trace.proto. */
function readSpan(bytes, resource) {
  const span = { trace: "", id: "", parent: "", name: "", kind: 0, start: 0n, end: 0n, failed: false };
  Object.assign(span, { attributes: [], events: [], resource });
  for (const [number, value] of fields(bytes)) {
    if (number === 1) span.trace = Buffer.from(value).toString("hex");
    else if (number === 2) span.id = Buffer.from(value).toString("hex");
    else if (number === 4) span.parent = Buffer.from(value).toString("hex");
    else if (number === 5) span.name = text(value);
    else if (number === 6) span.kind = Number(value);
    else if (number === 7) span.start = Buffer.from(value).readBigUInt64LE();
    else if (number === 8) span.end = Buffer.from(value).readBigUInt64LE();
    else if (number === 9) span.attributes.push(attribute(value));
    else if (number === 11) span.events.push(text(all(value, 2)[0] ?? []));
    else if (number === 15) span.failed = all(value, 3)[0] === 2n;
  }
  return span;
}

/** Spans by trace, in the order in which the traces first came. */
const traces = new Map();

function keep(body) {
  for (const resourceSpans of all(body, 1)) {
    const attributes = all(resourceSpans, 1).flatMap((resource) => all(resource, 1).map(attribute));
    const resource = Object.fromEntries(attributes);
    for (const bytes of all(resourceSpans, 2).flatMap((scope) => all(scope, 2))) {
      const span = readSpan(bytes, resource);
      if (!traces.has(span.trace)) traces.set(span.trace, []);
      traces.get(span.trace).push(span);
    }
  }
  for (const id of traces.keys()) {
    if (traces.size <= KEPT) break;
    traces.delete(id);
  }
}

const KINDS = ["", "", "server", "client", "producer", "consumer"];
const ms = (nanoseconds) => `${(Number(nanoseconds) / 1e6).toFixed(2)} ms`;
const byStart = (a, b) => (a.start < b.start ? -1 : Number(a.start > b.start));

/** Spans whose parent is not there: where trees begin. */
function roots(spans) {
  const ids = new Set(spans.map((span) => span.id));
  return spans.filter((span) => !ids.has(span.parent)).sort(byStart);
}

/** A span and those below it, one a line; `at` is where the trace began. */
function* lines(span, spans, at, before, branch, below) {
  const words = [span.name, `+${ms(span.start - at)}`, ms(span.end - span.start), KINDS[span.kind] ?? ""];
  if (span.failed) words.push("FAILED");
  words.push(...span.attributes.map(([key, value]) => `${key}=${value}`));
  words.push(...span.events.map((name) => `(${name})`));
  yield before + branch + words.filter(Boolean).join("  ");
  const children = spans.filter((child) => child.parent === span.id).sort(byStart);
  for (const [index, child] of children.entries()) {
    const isLast = index === children.length - 1;
    yield* lines(child, spans, at, before + below, isLast ? "└─ " : "├─ ", isLast ? "   " : "│  ");
  }
}

function tree(id, spans) {
  const at = spans.reduce((first, span) => (span.start < first ? span.start : first), spans[0].start);
  const end = spans.reduce((last, span) => (span.end > last ? span.end : last), 0n);
  const service = spans[0].resource["service.name"] ?? "?";
  const head = `trace ${id}  ${ms(end - at)}  ${spans.length} spans of ${service}\n`;
  return head + roots(spans).flatMap((root) => [...lines(root, spans, at, "", "", "")]).join("\n") + "\n";
}

function list() {
  const line = ([id, spans]) => {
    const [root] = roots(spans);
    return `${id}  ${ms(root.end - root.start)}  ${spans.length} spans  ${root.name}\n`;
  };
  return [...traces].reverse().map(line).join("") || "No trace has come yet.\n";
}

/** The answer to a request: status and text. */
function show(url) {
  if (url.pathname === "/") return [200, list()];
  const id = /^\/traces\/([0-9a-f]{32})$/.exec(url.pathname)?.[1];
  const spans = traces.get(id);
  const parent = url.searchParams.get("child-of");
  if (!spans || (parent && !spans.some((span) => span.parent === parent))) return [404, "not here\n"];
  return [200, tree(id, spans)];
}

async function take(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > LARGEST_EXPORT) return [413, ""];
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  const gzip = request.headers["content-encoding"] === "gzip";
  keep(gzip ? gunzipSync(body, { maxOutputLength: LARGEST_EXPORT }) : body);
  // An empty ExportTraceServiceResponse is no bytes at all.
  return [200, ""];
}

async function answer(request, response) {
  const url = new URL(request.url, "http://localhost");
  const isExport = request.method === "POST" && url.pathname === "/v1/traces";
  let said;
  try {
    said = isExport ? await take(request) : show(url);
  } catch (error) {
    said = [400, `${error.message}\n`];
  }
  const type = isExport ? "application/x-protobuf" : "text/plain; charset=utf-8";
  response.writeHead(said[0], { "content-type": type }).end(said[1]);
}

createServer(answer).listen(Number(process.argv[2]), "127.0.0.1");
