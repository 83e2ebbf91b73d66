// graphql-sse in its distinct connections mode: each operation is a request of its own, answered with events.
import { createClient } from "graphql-sse";
import * as app from "./common.mjs";

const { said } = app;
const documents = app.parsed((text) => text);
const session = { token: null };
const mediaTypes = new Set();
const { endpoint, cut } = await app.fragile(app.liveEndpoint);
const client = createClient({
  url: endpoint,
  singleConnection: false,
  headers: () => (session.token ? { authorization: `Bearer ${session.token}` } : {}),
  retryAttempts: 0, // it would begin again with the first cursor: the app subscribes anew, with the last
  fetchFn: async (...request) => {
    const response = await fetch(...request);
    mediaTypes.add(response.headers.get("content-type"));
    return response;
  },
});

/** The only answer of a query or mutation. A request that is refused altogether has a status instead. */
const answer = (query, variables) => new Promise((resolve, reject) => {
  let only;
  client.subscribe({ query, variables }, { next: (value) => { only = value; }, error: reject, complete: () => resolve(only) });
});
const use = {
  session,
  query: async (query, variables) => (await answer(query, variables)).data,
  cached: async (query, variables) => (await answer(query, variables)).data.node.name, // it has no cache: asked again
  mutate: async (query, input) => (await answer(query, { input })).data,
  refusal: (query) => answer(query).then(({ errors }) => app.codes(errors), ({ response }) => [response.status]),
  subscribe: (query, variables, next, broke) =>
    client.subscribe({ query, variables }, { next: ({ data }) => next(data), error: broke, complete() {} }),
  cut,
};

const { logIn } = await use.mutate(documents.LOG_IN, { email: app.login, password: app.password });
session.token = logIn.signedIn.accessToken;
await app.pages(use, documents);
const id = await app.change(use, documents, "graphql-sse");
await app.mistakes(use, documents);
await app.follow(use, documents, id);
said.mediaTypes = [...mediaTypes].sort();
app.finish();
