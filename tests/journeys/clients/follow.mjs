// Follows a subscription with graphql-ws, resuming by cursor after every reconnect, and prints one JSON line per event.
// Usage: node follow.mjs URL TOKEN SUBSCRIPTION FIELD [AFTER] — ends when standard input ends.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, token, query, field, after] = process.argv.slice(2);
const variables = { after: after || null };

const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: `Bearer ${token}` },
  retryAttempts: Infinity,
  shouldRetry: () => true,
  retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
  on: {
    connected: () => console.log(JSON.stringify({ connected: true })),
    closed: (event) => console.log(JSON.stringify({ closed: event?.code ?? null })),
  },
});

client.subscribe(
  { query, get variables() { return variables; } },
  {
    next(result) {
      const event = result.data?.[field];
      if (event?.cursor) variables.after = event.cursor;
      console.log(JSON.stringify({ event, errors: result.errors }));
    },
    error(error) { console.log(JSON.stringify({ error: error instanceof Error ? error.message : error })); },
    complete() { console.log(JSON.stringify({ complete: true })); },
  },
);

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
