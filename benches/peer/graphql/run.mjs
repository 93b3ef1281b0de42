// GraphQL servers side by side: `npm ci && node run.mjs [--rounds N] [--seconds S]`.
//
// Each server has CPU 0 to itself; wrk and the service run on CPU 1. Every request has a
// traceparent of its own. Rounds are interleaved; the median is told. CPU is user and kernel
// time of the server's process, divided by good answers. Needs wrk and taskset.
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as listen } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify, parseArgs } from "node:util";
import { appointments, patients, queries } from "./data.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    binary: { type: "string", default: join(import.meta.dirname, "../../../target/release/nilegate") },
  },
});
const PEERS = ["yoga", "apollo", "mercurius", "mercurius with JIT"];
const CONNECTIONS = 20;
const run = mkdtempSync(join(tmpdir(), "graphql-peers-"));
const children = [];

const freePort = () =>
  new Promise((resolve) => {
    const probe = listen().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

function start(command, args, env = {}) {
  const child = spawn("taskset", ["-c", "0", command, ...args], {
    cwd: import.meta.dirname,
    env: { ...process.env, NODE_ENV: "production", ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  children.push(child);
  return child;
}

// The service behind the gateway.
function serve(request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://service");
  const ids = new Set((searchParams.get("patientIds") ?? "").split(","));
  const answer =
    pathname === "/patients"
      ? patients.slice(0, Number(searchParams.get("limit")))
      : appointments.filter(({ patientId }) => ids.has(patientId));
  response.writeHead(200, { "content-type": "application/json", "cache-control": "max-age=3600" });
  response.end(JSON.stringify(answer));
}

async function ask(port, query) {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query }),
  });
  return (await response.json()).data;
}

async function ready(port) {
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      return await ask(port, "{ patients { id } }");
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`nobody answers at ${port}`);
}

const script = (query) => `
wrk.method = "POST"
wrk.body = ${JSON.stringify(JSON.stringify({ query }))}
wrk.headers["Content-Type"] = "application/json"
local n = math.random(1, 1000000000)
request = function()
  n = n + 1
  wrk.headers["traceparent"] = string.format("00-%032x-%016x-00", n, n)
  return wrk.format()
end
done = function(summary)
  local e = summary.errors
  local failed = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.duration, failed))
end
`;

const cpu = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return ((Number(fields[11]) + Number(fields[12])) / 100) * 1e6;
};

async function load({ port, pid }, file) {
  const before = cpu(pid);
  const { stdout } = await promisify(execFile)("taskset", [
    "-c", "1", "wrk", "-t1", `-c${CONNECTIONS}`, `-d${values.seconds}s`, "-s", file,
    `http://127.0.0.1:${port}/graphql`,
  ]);
  const [requests, micros, failed] = stdout.match(/RESULT (\d+) (\d+) (\d+)/).slice(1).map(Number);
  if (failed > 0 || requests === 0) throw new Error(`${failed} of ${requests} requests failed`);
  return { rate: requests / (micros / 1e6), cpu: (cpu(pid) - before) / requests };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

try {
  const service = createServer(serve).listen(0, "127.0.0.1");
  await new Promise((resolve) => service.once("listening", resolve));
  const targets = [];
  for (const name of PEERS) {
    const port = await freePort();
    targets.push({ name, port, pid: start("node", ["server.mjs", name, String(port)]).pid });
  }
  const [port, admin] = [await freePort(), await freePort()];
  const environment = { PORT: port, ADMIN_PORT: admin, ORIGIN: service.address().port, RUN: run };
  targets.push({ name: "nilegate", port, pid: start(values.binary, ["run", "-c", "nilegate.yaml"], environment).pid });
  for (const target of targets) await ready(target.port);
  console.log("| query | server | requests/s | CPU us/request |\n|---|---|---|---|");
  for (const [title, query] of Object.entries(queries)) {
    const file = join(run, "query.lua");
    writeFileSync(file, script(query));
    const answers = await Promise.all(targets.map(({ port }) => ask(port, query)));
    const expected = JSON.stringify(answers[0]);
    const other = targets.find((_, i) => JSON.stringify(answers[i]) !== expected);
    if (other) throw new Error(`${other.name} answers differently`);
    for (const target of targets) await load(target, file); // warm
    const seen = new Map(targets.map(({ name }) => [name, []]));
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const target of targets) seen.get(target.name).push(await load(target, file));
    }
    for (const [name, rounds] of seen) {
      const [rate, micros] = ["rate", "cpu"].map((key) => median(rounds.map((it) => it[key])));
      console.log(`| ${title} | ${name} | ${Math.round(rate).toLocaleString("en")} | ${micros.toFixed(1)} |`);
    }
  }
  service.close();
} finally {
  for (const child of children) child.kill();
  rmSync(run, { recursive: true, force: true });
}
