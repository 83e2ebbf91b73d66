// graphql-ws alone: queries, mutations and subscriptions, over a socket that opens when it is needed.
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import * as app from "./common.mjs";

const { said } = app;
const documents = app.parsed((text) => text);
const session = { token: null };
const sockets = new Set();
const client = createClient({
  url: app.socketEndpoint,
  webSocketImpl: WebSocket,
  connectionParams: () => (session.token ? { authorization: `Bearer ${session.token}` } : {}),
  retryAttempts: 0, // it would begin again with the first cursor: the app subscribes anew, with the last
  on: { opened: (socket) => sockets.add(socket), closed: () => sockets.clear() },
});

/** The only answer of a query or mutation. What was refused is let go of too: the client holds its socket for it otherwise. */
const answer = (query, variables) => new Promise((resolve, reject) => {
  let only;
  const stop = client.subscribe({ query, variables }, {
    next: (value) => { only = value; },
    error: (refused) => { stop(); reject(refused); },
    complete: () => resolve(only),
  });
});
const use = {
  session,
  query: async (query, variables) => (await answer(query, variables)).data,
  cached: async (query, variables) => (await answer(query, variables)).data.node.name, // it has no cache: asked again
  mutate: async (query, input) => (await answer(query, { input })).data,
  async refusal(query) {
    try {
      return app.codes((await answer(query)).errors);
    } catch (refused) {
      return Array.isArray(refused) ? app.codes(refused) : [refused.code];
    }
  },
  subscribe: (query, variables, next, broke) =>
    client.subscribe({ query, variables }, { next: ({ data }) => next(data), error: broke, complete() {} }),
  async cut() {
    for (const socket of sockets) socket.terminate();
    await app.until(() => sockets.size === 0, "that the client knows it");
  },
};

const { logIn } = await use.mutate(documents.LOG_IN, { email: app.login, password: app.password });
session.token = logIn.signedIn.accessToken;
await app.pages(use, documents);
const id = await app.change(use, documents, "graphql-ws");
await app.mistakes(use, documents);
await app.follow(use, documents, id);
app.finish();
