// Apollo Client 4 as an app uses it: normalized cache, relayStylePagination, an auth link, a link for subscriptions.
import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { SetContextLink } from "@apollo/client/link/context";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import * as app from "./common.mjs";

const { said } = app;
const documents = app.parsed(gql);
const session = { token: null };
const sockets = new Set();
const mediaTypes = new Set();
let sent = () => {}; // called when a request is on its way

const http = new HttpLink({
  uri: app.endpoint,
  fetch: async (...request) => {
    const answer = fetch(...request);
    sent();
    const response = await answer;
    mediaTypes.add(response.headers.get("content-type"));
    return response;
  },
});
const auth = new SetContextLink(({ headers }) => ({
  headers: { ...headers, ...(session.token ? { authorization: `Bearer ${session.token}` } : {}) },
}));
const live = new GraphQLWsLink(createClient({
  url: app.socketEndpoint,
  webSocketImpl: WebSocket,
  connectionParams: () => ({ authorization: `Bearer ${session.token}` }),
  retryAttempts: 0, // it would begin again with the first cursor: the app subscribes anew, with the last
  on: { opened: (socket) => sockets.add(socket), closed: () => sockets.clear() },
}));
const client = new ApolloClient({
  link: ApolloLink.split(({ operationType }) => operationType === "subscription", live, auth.concat(http)),
  cache: new InMemoryCache({
    possibleTypes: { Node: ["Customer"] },
    typePolicies: { Query: { fields: { customers: relayStylePagination(["filter", "orderBy"]) } } },
  }),
});

const use = {
  session,
  query: async (query, variables) => (await client.query({ query, variables, fetchPolicy: "network-only" })).data,
  cached: (query, variables) => client.readQuery({ query, variables }).node.name,
  mutate: async (mutation, input) => (await client.mutate({ mutation, variables: { input } })).data,
  async refusal(query) {
    const error = await client.query({ query, fetchPolicy: "network-only" }).then(() => null, (reason) => reason);
    return CombinedGraphQLErrors.is(error) ? app.codes(error.errors) : [String(error)];
  },
  subscribe(query, variables, next, broke) {
    const running = client.subscribe({ query, variables }).subscribe(({ data, error }) => (error ? broke() : next(data)));
    return () => running.unsubscribe();
  },
  cut: () => sockets.forEach((socket) => socket.terminate()),
};

const { logIn } = await use.mutate(documents.LOG_IN, { email: app.login, password: app.password });
session.token = logIn.signedIn.accessToken;

// Pages of a connection grow into one list.
const list = client.watchQuery({ query: documents.ACCOUNTS, variables: { first: 3, after: null, startsWith: "acc-" } });
let customers;
const shown = list.subscribe(({ data }) => { customers = data?.customers; });
said.pages = [];
for (let size = 0; !customers || customers.pageInfo.hasNextPage; size = customers.edges.length) {
  if (customers) await list.fetchMore({ variables: { after: customers.pageInfo.endCursor } });
  await app.until(() => customers?.edges.length > size, "the next page");
  said.pages.push(customers.edges.map(({ node }) => node.name));
}
said.totalCount = customers.totalCount;
shown.unsubscribe();

const id = await app.change(use, documents, "Apollo");
await app.mistakes(use, documents);
await app.follow(use, documents, id);

// Whoever goes away in the middle costs the next request nothing.
const abort = new AbortController();
sent = () => abort.abort();
const gone = client.query({ query: documents.CURSOR, context: { fetchOptions: { signal: abort.signal } }, fetchPolicy: "network-only" });
said.aborted = await gone.then(() => null, (reason) => reason.name);
said.after = (await use.query(documents.ANYTHING, { id })).node.name;
said.mediaTypes = [...mediaTypes];
app.finish();
