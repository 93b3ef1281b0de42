// The reference: graphql-js executes the same documents over the same REST services, one call
// per field and parent, nothing merged and nothing batched.
//
// Standard input: {"cases": [{"query", "variables"?, "operationName"?}]}.
// Standard output: one JSON line per case, {"data"?, "errors": [path or null]}.

import { readFileSync } from "node:fs";
import {
  GraphQLError, buildASTSchema, execute, isAbstractType, isEnumType, isListType, isNonNullType, isObjectType, parse,
  validate, valueFromASTUntyped,
} from "graphql";
import { Rest } from "./rest.mjs";

const here = new URL(".", import.meta.url);
const read = (name) => readFileSync(new URL(name, here), "utf8");
const data = JSON.parse(read("data.json"));

function directive(node, name) {
  const found = node?.directives?.find((one) => one.name.value === name);
  return found && Object.fromEntries(found.arguments.map((arg) => [arg.name.value, valueFromASTUntyped(arg.value)]));
}

// === Templates ===

const PLACE = /\{(args|parent)\.([^}]*)\}/;

const dig = (value, path) => path.split(".").reduce((at, name) => at?.[name], value);

// A text that is one placeholder keeps the type of its value. One that is missing is undefined.
function whole(text, scope) {
  const [, from, path] = PLACE.exec(text);
  return dig(scope[from], path);
}

// The path of a call; null if a value in it is null.
function renderPath(template, scope) {
  let missing = false;
  const path = template.replace(new RegExp(PLACE, "g"), (_, from, member) => {
    const value = dig(scope[from], member) ?? null;
    if (value === null) missing = true;
    else if (["", ".", ".."].includes(String(value)) || typeof value === "object") throw new GraphQLError("bad segment");
    return encodeURIComponent(String(value));
  });
  return missing ? null : path;
}

function renderQuery(query, scope) {
  const pairs = Object.entries(query ?? {}).map(([name, template]) => [name, whole(template, scope)]);
  return pairs.filter(([, value]) => value != null)
    .map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join("&");
}

function renderBody(body, scope) {
  if (typeof body === "string") return whole(body, scope);
  return Object.fromEntries(Object.entries(body).map(([name, template]) => [name, whole(template, scope)]));
}

// === Arguments ===

// What goes out for an input value: enum values as the services write them.
function wire(value, type) {
  if (isNonNullType(type)) return wire(value, type.ofType);
  if (value === null || value === undefined) return null;
  if (isListType(type)) return value.map((item) => wire(item, type.ofType));
  if (isEnumType(type)) return wireOf(type, value);
  const fields = type.getFields?.();
  if (!fields) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, wire(one, fields[name].type)]));
}

function wireOf(type, name) {
  return directive(type.getValue(name).astNode, "wire")?.value ?? name;
}

// === Resolvers ===

function call(rest, field, args, parent, services) {
  const given = field.args.filter((arg) => arg.name in args);
  const coerced = Object.fromEntries(given.map((arg) => [arg.name, wire(args[arg.name], arg.type)]));
  const scope = { args: coerced, parent };
  const method = rest.get === undefined ? "POST" : "GET";
  const path = renderPath(rest.get ?? rest.post, scope);
  if (path === null) return null;
  const key = rest.batch && dig(parent, PLACE.exec(rest.batch.value)[2]);
  const query = renderQuery(rest.batch ? { ...rest.query, [rest.batch.param]: rest.batch.value } : rest.query, scope);
  const target = query === "" ? path : `${path}?${query}`;
  const answer = services.answer(method, target, rest.body && renderBody(rest.body, scope));
  const type = isNonNullType(field.type) ? field.type.ofType : field.type;
  if (answer.status === 404 && method === "GET" && !isListType(type) && !isNonNullType(field.type)) return null;
  if (answer.status >= 400) throw new GraphQLError(`status ${answer.status}`);
  let value = JSON.parse(answer.text);
  if (rest.select !== undefined) value = dig(value, rest.select);
  if (rest.batch === undefined) return value;
  const mine = value.filter((row) => row[rest.batch.key] === key);
  return isListType(type) ? mine : mine[0];
}

function attach(type) {
  for (const field of Object.values(type.getFields())) {
    const rest = directive(field.astNode, "rest");
    const from = directive(field.astNode, "from")?.path ?? field.name;
    field.resolve = rest
      ? (parent, args, { services, later }) => later(() => call(rest, field, args, parent, services))
      : (parent) => dig(parent, from);
  }
  type.isTypeOf = (value) => typeof value === "object" && !Array.isArray(value);
}

// Enum values come as the services write them, and arrive as their names.
function translate(type) {
  const names = new Map(type.getValues().map((value) => [wireOf(type, value.name), value.name]));
  type.serialize = (value) => {
    if (!names.has(value)) throw new GraphQLError("no value of the enum");
    return names.get(value);
  };
}

function discriminate(type) {
  type.resolveType = (value) => value.__typename;
}

const schema = buildASTSchema(parse(read("schema.graphql")), { assumeValidSDL: true });
for (const type of Object.values(schema.getTypeMap())) {
  if (type.name.startsWith("__")) continue;
  if (isObjectType(type)) attach(type);
  else if (isEnumType(type)) translate(type);
  else if (isAbstractType(type)) discriminate(type);
}

// === Cases ===

async function run({ query, variables, operationName }) {
  let document;
  try {
    document = parse(query);
  } catch {
    return { errors: [null] };
  }
  const problems = validate(schema, document);
  if (problems.length > 0) return { errors: problems.map(() => null), said: problems.map((one) => one.message) };
  const results = [];
  for (const later of [async (call) => call(), (call) => call()]) {
    const contextValue = { services: new Rest(data), later };
    results.push(await execute({ schema, document, variableValues: variables, operationName, contextValue }));
  }
  return summary(results);
}

// Of several errors that make the same position null, which are reported is a matter of time. So
// each case runs with services that answer later and with services that answer at once.
function summary(results) {
  const [result, other] = results;
  if (JSON.stringify(result.data) !== JSON.stringify(other.data)) throw new Error("the reference differs from itself");
  const all = results.flatMap((one) => one.errors ?? []);
  const errors = all.map((one) => one.path ?? null);
  const said = all.map((one) => one.message);
  return "data" in result ? { data: result.data, errors, said } : { errors, said };
}

// graphql-js leaves the errors of siblings alone once one of them made their parent null.
process.on("unhandledRejection", () => {});

const { cases } = JSON.parse(readFileSync(0, "utf8"));
for (const one of cases) console.log(JSON.stringify(await run(one)));
