// What the clients share: where the server is, who signs in, the documents of a small app, and how to say what was seen.
// Usage of each script: node SCRIPT.mjs URL LOGIN PASSWORD [URL OF ANOTHER SERVER OF THE SAME COMPANY, FOR WHAT IS LIVE]
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";

export const [url, login, password, liveUrl = url] = process.argv.slice(2);
export const endpoint = `${url}/graphql`;
export const liveEndpoint = `${liveUrl}/graphql`;
export const socketEndpoint = liveEndpoint.replace(/^http/, "ws");

const ACCOUNT = "fragment Account on Customer { id version name status }";
export const LOG_IN = `
mutation LogIn($input: LogInInput!) {
  logIn(input: $input) { signedIn { accessToken } errors { code message } }
}`;
export const ACCOUNTS = `
query Accounts($first: Int!, $after: String, $startsWith: String!) {
  customers(first: $first, after: $after, filter: { externalId: { startsWith: $startsWith } }, orderBy: [{ field: NAME }]) {
    totalCount
    edges { cursor node { ...Account } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
${ACCOUNT}`;
export const ANYTHING = `
query Anything($id: ID!) { node(id: $id) { ... on Node { id } ... on Customer { ...Account } } }
${ACCOUNT}`;
export const CREATE = `
mutation Create($input: CreateCustomerInput!) {
  createCustomer(input: $input) { customer { ...Account } errors { code message } cursor }
}
${ACCOUNT}`;
export const RENAME = `
mutation Rename($input: UpdateCustomerInput!) {
  updateCustomer(input: $input) {
    customer { ...Account }
    errors { code path ... on StaleVersion { expected actual } }
    cursor
  }
}
${ACCOUNT}`;
export const FOLLOW = `
subscription Follow($after: String, $ids: [ID!]) {
  customerChanged(after: $after, ids: $ids) { cursor fact customer { ...Account } }
}
${ACCOUNT}`;
export const CURSOR = "query Cursor { journalCursor }";
export const MISTAKE = "query Mistake { customers(first: 1) { nodes { nmae } } }";
export const BROKEN = "query Broken { territories(first: 1) { nodes { id } } }"; // the test took its table away: a bug of ours

export const sdl = readFileSync(new URL("../../../schema/schema.graphql", import.meta.url), "utf8");
export const said = {};
setTimeout(() => { console.error("too slow; seen so far:", said); process.exit(1); }, 30_000).unref();

/** Print what was seen, and end: no socket or timer that was left open keeps the test waiting. */
export function finish() {
  process.stdout.write(`${JSON.stringify(said)}\n`, () => process.exit(0));
}

/** The documents as a client's own gql makes them. */
export const parsed = (gql) =>
  Object.fromEntries(Object.entries({ LOG_IN, ACCOUNTS, ANYTHING, CREATE, RENAME, FOLLOW, CURSOR, MISTAKE, BROKEN }).map(([name, text]) => [name, gql(text)]));

/** The codes of the errors of a GraphQL answer. */
export const codes = (errors) => errors.map((one) => one.extensions.code);

/** A number of the server's own metrics. */
async function metric(name) {
  const text = await (await fetch(`${liveUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)`, "m").exec(text)[1]);
}

/** How many subscriptions the server follows, and how many sockets and event streams are open. */
const held = () => Promise.all(["subscriptions", "sockets", "streams"].map((what) => metric(`truckroll_${what}_open`)));

/** A way to the server that can be cut: its address, and what breaks all connections that go over it. */
export async function fragile(address) {
  const { hostname, port, pathname } = new URL(address);
  const open = new Set();
  const way = createServer((near) => {
    const far = connect(Number(port), hostname);
    near.pipe(far).pipe(near);
    for (const end of [near, far]) {
      open.add(end);
      end.on("error", () => {}).on("close", () => { open.delete(end); near.destroy(); far.destroy(); });
    }
  });
  await new Promise((ready) => way.listen(0, "127.0.0.1", ready));
  const cut = async () => {
    for (const end of open) end.resetAndDestroy();
    await until(() => !open.size, "that all is cut");
  };
  return { endpoint: `http://127.0.0.1:${way.address().port}${pathname}`, cut };
}

/** The first true answer of a function, asked again and again. */
export async function until(condition, what, seconds = 10) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    const answer = await condition();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`${what} did not come true in ${seconds} s`);
}

/** Read a connection page by page, and say what each answer held. */
export async function pages({ query }, documents) {
  said.pages = [];
  for (let after = null; !said.pages.length || after; ) {
    const { customers } = await query(documents.ACCOUNTS, { first: 3, after, startsWith: "acc-" });
    said.pages.push(customers.edges.map(({ node }) => node.name));
    said.totalCount = customers.totalCount;
    after = customers.pageInfo.hasNextPage ? customers.pageInfo.endCursor : null;
  }
}

/** A mutation's answer changes what other queries show, without another request; its problems are data. */
export async function change({ query, mutate, cached }, documents, name) {
  const { createCustomer } = await mutate(documents.CREATE, { name, type: "ENTERPRISE" });
  const { id } = createCustomer.customer;
  const { node } = await query(documents.ANYTHING, { id });
  said.node = { ...node, id: node.id === id };
  const { updateCustomer } = await mutate(documents.RENAME, { id, name: `${name} 2`, version: 1 });
  said.renamed = { version: updateCustomer.customer.version, cursor: updateCustomer.cursor !== null, errors: updateCustomer.errors };
  said.cached = await cached(documents.ANYTHING, { id });
  said.problems = (await mutate(documents.RENAME, { id, name: "Late", version: 1 })).updateCustomer;
  return id;
}

/** Mistakes, bugs and missing sign-ins reach the app as errors with a code. */
export async function mistakes({ refusal, session }, documents) {
  const { token } = session;
  said.mistake = await refusal(documents.MISTAKE);
  said.broken = await refusal(documents.BROKEN);
  session.token = "nonsense";
  said.unknownToken = await refusal(documents.CURSOR);
  session.token = null;
  said.nobody = await refusal(documents.CURSOR);
  session.token = token;
}

/**
 * Hear what was missed first, then what happens. A connection that breaks is made anew from the last event that was heard,
 * so nothing is missed and nothing told twice. Who stops is not followed for any more.
 */
export async function follow({ query, mutate, subscribe, cut }, documents, id) {
  const { journalCursor } = await query(documents.CURSOR, {});
  const rename = (name) => mutate(documents.RENAME, { id, name });
  const heard = [];
  const start = (after) => {
    let stop;
    const begin = () => {
      stop = subscribe(documents.FOLLOW, { after, ids: [id] }, ({ customerChanged: event }) => {
        after = event.cursor;
        heard.push(`${event.fact} ${event.customer.name}`);
      }, () => { stop(); setTimeout(begin, 50); });
    };
    begin();
    return () => { stop(); return after; };
  };
  const hear = (count) => until(() => heard.length >= count, `event ${count}`);

  await rename("Missed");
  let stop = start(journalCursor);
  await hear(1);
  await rename("Live");
  await hear(2);
  await cut();
  await rename("While away");
  await hear(3);
  said.listening = await held();
  const after = stop();
  await until(async () => (await held()).every((count) => count === 0), "that the server lets go");
  await rename("Unheard");
  stop = start(after);
  await hear(4);
  stop();
  said.heard = heard;
}
