// PostGraphile 5 with its preset of familiar names, as its documentation sets it up: schema and SQL are all its own.
// Usage: node postgraphile.mjs DATABASE_URL PORT
import { createServer } from "node:http";

// It wants Node 22; all that Node 20 lacks for it is this.
Promise.withResolvers ??= function () {
  const made = {};
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};
const { grafserv } = await import("postgraphile/grafserv/node");
const { makePgService } = await import("postgraphile/adaptors/pg");
const { makeV4Preset } = await import("postgraphile/presets/v4");
const { postgraphile } = await import("postgraphile");

const [url, port] = [process.argv[2], Number(process.argv[3])];
const poolConfig = { min: 10, max: 10, idleTimeoutMillis: 0 };
const preset = {
  extends: [makeV4Preset({ graphiql: false, disableDefaultMutations: true })],
  pgServices: [makePgService({ connectionString: url, schemas: ["public"], poolConfig })],
  grafserv: { port, host: "127.0.0.1", watch: false },
  grafast: { explain: false },
};
const server = createServer();
await postgraphile(preset).createServ(grafserv).addTo(server);
server.listen(port, "127.0.0.1");
