// urql as an app uses it: Graphcache with relayPagination, its own Accept header, and subscriptions over graphql-ws, or over
// server-sent events as its fetchExchange does them (a fifth argument, "sse").
import { Client, fetchExchange, gql, subscriptionExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import { buildSchema, introspectionFromSchema } from "graphql";
import { createClient } from "graphql-ws";
import { onEnd, pipe, subscribe } from "wonka";
import WebSocket from "ws";
import * as app from "./common.mjs";

const { said } = app;
const documents = app.parsed(gql);
const session = { token: null };
const sockets = new Set();
const accepts = new Set();
const mediaTypes = new Set();
let sent = () => {}; // called when a request is on its way

const streamed = process.argv[6] === "sse";
const { endpoint, cut } = await app.fragile(app.liveEndpoint);
const live = createClient({
  url: app.socketEndpoint,
  webSocketImpl: WebSocket,
  connectionParams: () => ({ authorization: `Bearer ${session.token}` }),
  retryAttempts: 0, // it would begin again with the first cursor: the app subscribes anew, with the last
  on: { opened: (socket) => sockets.add(socket), closed: () => sockets.clear() },
});
const client = new Client({
  url: streamed ? endpoint : app.endpoint,
  fetchSubscriptions: streamed,
  preferGetMethod: false,
  fetchOptions: () => ({ headers: session.token ? { authorization: `Bearer ${session.token}` } : {} }),
  fetch: async (address, options) => {
    accepts.add(new Headers(options.headers).get("accept"));
    const answer = fetch(address, options);
    sent(options.signal);
    const response = await answer;
    mediaTypes.add(response.headers.get("content-type"));
    return response;
  },
  exchanges: [
    cacheExchange({
      schema: introspectionFromSchema(buildSchema(app.sdl)),
      resolvers: { Query: { customers: relayPagination() } },
    }),
    fetchExchange,
    ...(streamed ? [] : [subscriptionExchange({
      forwardSubscription: (request) => ({ subscribe: (sink) => ({ unsubscribe: live.subscribe(request, sink) }) }),
    })]),
  ],
});

const ask = (query, variables, requestPolicy) => client.query(query, variables, { requestPolicy });
const use = {
  session,
  async query(query, variables) {
    const { data, error } = await ask(query, variables, "network-only");
    if (error) throw error;
    return data;
  },
  cached: async (query, variables) => (await ask(query, variables, "cache-only")).data.node.name,
  mutate: async (mutation, input) => (await client.mutation(mutation, { input })).data,
  async refusal(query) {
    const { error } = await ask(query, {}, "network-only");
    return error.graphQLErrors.length ? app.codes(error.graphQLErrors) : [String(error)];
  },
  subscribe(query, variables, next, broke) {
    let stopped = false; // a stream of events that breaks off ends without an error
    const running = pipe(
      client.subscription(query, variables),
      onEnd(() => stopped || broke()),
      subscribe(({ data, error }) => (error ? broke() : next(data))),
    );
    return () => { stopped = true; running.unsubscribe(); };
  },
  cut: streamed ? cut : () => sockets.forEach((socket) => socket.terminate()),
};

const { logIn } = await use.mutate(documents.LOG_IN, { email: app.login, password: app.password });
session.token = logIn.signedIn.accessToken;

await app.pages({ query: async (query, variables) => (await ask(query, variables)).data }, documents); // the cache makes one list
const id = await app.change(use, documents, "urql");
await app.mistakes(use, documents);
await app.follow(use, documents, id);

// Whoever goes away in the middle costs the next request nothing.
const gone = ask(documents.CURSOR, {}, "network-only").subscribe(() => { said.aborted = false; });
await new Promise((resolve) => {
  sent = (signal) => { signal.addEventListener("abort", () => resolve((said.aborted = signal.reason.name))); gone.unsubscribe(); };
});
sent = () => {};
said.after = (await use.query(documents.ANYTHING, { id })).node.name;
said.accepts = [...accepts];
said.mediaTypes = [...mediaTypes].sort();
app.finish();
