// Follows a subscription with graphql-ws, which reconnects on its own, and prints one JSON line per event. A subscription that
// it repeats has the variables as they are then: the last cursor put into them is where it resumes.
// Usage: node follow.mjs URL TOKEN SUBSCRIPTION FIELD [AFTER] — ends when standard input ends.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, token, query, field, after] = process.argv.slice(2);
const payload = { query, variables: { after: after || null } };

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${token}` },
  retryAttempts: Infinity,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
  shouldRetry: () => true, // also while nobody listens on the port
  on: {
    connected: () => console.log(JSON.stringify({ connected: true })),
    closed: (event) => console.log(JSON.stringify({ closed: event?.code ?? null })),
  },
});

client.subscribe(payload, {
  next(result) {
    const event = result.data?.[field];
    if (event?.cursor) payload.variables.after = event.cursor;
    console.log(JSON.stringify({ event, errors: result.errors }));
  },
  error(error) { console.log(JSON.stringify({ error: error instanceof Error ? error.message : error })); },
  complete() { console.log(JSON.stringify({ complete: true })); },
});

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
