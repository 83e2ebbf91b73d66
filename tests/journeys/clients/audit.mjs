// Runs the GraphQL-over-HTTP audits of the graphql-http package against a server and prints their results as JSON.
// Usage: node audit.mjs URL TOKEN
import { auditServer } from "graphql-http";

const [url, token] = process.argv.slice(2);
const fetchFn = (input, init) => fetch(input, { ...init, headers: { ...init?.headers, authorization: `Bearer ${token}` } });
const results = await auditServer({ url, fetchFn });
console.log(JSON.stringify(results.map(({ id, name, status, reason }) => ({ id, name, status, reason: reason ?? null }))));
