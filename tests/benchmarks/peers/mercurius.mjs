// Mercurius on Fastify: documents compiled by graphql-jit from their first use on, a hand-written join beneath.
import Fastify from "fastify";
import mercurius from "mercurius";
import { port, reader, typeDefs } from "./hand_written.mjs";

const app = Fastify({ logger: false });
const fields = await reader();
const Query = Object.fromEntries(Object.entries(fields).map(([name, read]) => [name, (_, args) => read(args)]));
app.register(mercurius, { schema: typeDefs, resolvers: { Query }, jit: 1, graphiql: false });
await app.listen({ port, host: "127.0.0.1" });
