// One of the peers: node server.mjs NAME PORT. Its data are in its own memory: it asks nobody.
import { createServer } from "node:http";
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import Fastify from "fastify";
import { createSchema, createYoga } from "graphql-yoga";
import mercurius from "mercurius";
import { appointments, patients, schema } from "./data.mjs";

const byPatient = Map.groupBy
  ? Map.groupBy(appointments, (it) => it.patientId)
  : appointments.reduce((all, it) => all.set(it.patientId, [...(all.get(it.patientId) ?? []), it]), new Map());
const resolvers = {
  Query: { patients: (_, { limit }) => patients.slice(0, limit) },
  Patient: { appointments: (patient) => byPatient.get(patient.id) },
};

const servers = {
  yoga: async (port) => {
    const yoga = createYoga({
      schema: createSchema({ typeDefs: schema, resolvers }),
      graphiql: false,
      logging: false,
    });
    createServer(yoga).listen(port, "127.0.0.1");
  },
  apollo: async (port) => {
    const server = new ApolloServer({ typeDefs: schema, resolvers });
    await startStandaloneServer(server, { listen: { host: "127.0.0.1", port } });
  },
  mercurius: async (port) => serveMercurius(port, 0),
  "mercurius with JIT": async (port) => serveMercurius(port, 1),
};

async function serveMercurius(port, jit) {
  const app = Fastify();
  app.register(mercurius, { schema, resolvers, jit });
  await app.listen({ host: "127.0.0.1", port });
}

await servers[process.argv[2]](Number(process.argv[3]));
