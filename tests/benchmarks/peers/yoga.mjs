// GraphQL Yoga on Node's own HTTP server, parsing and validation cached as it does by itself, a hand-written join beneath.
import { createServer } from "node:http";
import { createSchema, createYoga } from "graphql-yoga";
import { port, reader, typeDefs } from "./hand_written.mjs";

const fields = await reader();
const Query = Object.fromEntries(Object.entries(fields).map(([name, read]) => [name, (_, args) => read(args)]));
const schema = createSchema({ typeDefs, resolvers: { Query } });
createServer(createYoga({ schema, graphiql: false, landingPage: false, logging: false })).listen(port, "127.0.0.1");
