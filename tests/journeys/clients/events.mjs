// Follows a subscription with an EventSource, which reconnects and resumes by Last-Event-ID on its own, and prints one JSON
// line per event. Usage: node events.mjs URL TOKEN SUBSCRIPTION FIELD [AFTER] — ends when standard input ends.
import { EventSource } from "eventsource";

const [url, token, query, field, after] = process.argv.slice(2);
const parameters = new URLSearchParams({ query, variables: JSON.stringify({ after: after || null }) });

// A browser's own EventSource sends no header; this one takes a fetch that does.
const source = new EventSource(`${url}?${parameters}`, {
  fetch: (address, options) => fetch(address, { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } }),
});
source.addEventListener("open", () => console.log(JSON.stringify({ connected: true })));
source.addEventListener("next", ({ data, lastEventId }) => {
  const { data: answer, errors } = JSON.parse(data);
  const event = answer?.[field];
  if (event && event.cursor !== lastEventId) throw new Error("an event's id is its cursor");
  console.log(JSON.stringify({ event, errors }));
});
source.addEventListener("complete", () => {
  source.close(); // it would begin anew
  console.log(JSON.stringify({ complete: true }));
});
source.addEventListener("error", ({ code, message }) => console.log(JSON.stringify({ error: message ?? null, closed: code ?? null })));

process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
