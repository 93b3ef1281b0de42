// The REST services behind the schema, over data.json. rest.rs answers the same.

export class Rest {
  constructor(data) {
    this.data = data;
    this.counter = 0;
  }

  // Answers with { status, text }.
  answer(method, target, body) {
    const url = new URL(target, "http://rest");
    const [first, ...more] = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const ok = (value, status = 200) => ({ status, text: JSON.stringify(value) });
    if (first === "status") {
      const asked = Number(more[0]);
      return ok({ title: "as asked", code: "ASKED" }, asked >= 400 && asked < 600 ? asked : 500);
    }
    if (first === "text") return { status: 200, text: this.data.text };
    if (first === "echo") return ok(body);
    if (first === "counter") {
      if (method === "POST") this.counter += body.by ?? 0;
      return ok({ value: this.counter });
    }
    if (first in this.data.fixed) return ok(this.data.fixed[first]);
    const rows = this.data.collections[first];
    if (rows === undefined) return ok({ title: "no such thing" }, 404);
    if (method === "POST") return ok({ id: "new", ...body }, 201);
    if (more.length === 1) {
      const row = rows.find((row) => row !== null && row.id === more[0]);
      return row === undefined ? ok({ title: "no such row" }, 404) : ok(row);
    }
    if (more.length === 2) {
      return ok(this.data.collections[more[1]].filter((row) => row.patientId === more[0]));
    }
    return ok(this.list(first, rows, url.searchParams));
  }

  list(name, rows, query) {
    let found = rows;
    for (const param of new Set(query.keys())) {
      if (param === "limit" || param === "offset") continue;
      const member = this.data.batch[name]?.[param];
      const wanted = member === undefined ? query.getAll(param) : query.getAll(param).flatMap((v) => v.split(","));
      found = found.filter((row) => row !== null && wanted.includes(row[member ?? param]));
    }
    const offset = Number(query.get("offset") ?? 0);
    const limit = query.has("limit") ? Number(query.get("limit")) : found.length;
    return found.slice(offset, offset + limit);
  }
}
