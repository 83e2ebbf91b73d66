// Automatic persisted queries as Apollo's link and urql's exchange send them: a hash first, the document once, then the hash.
import { createHash } from "node:crypto";
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { Client, fetchExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";
import * as app from "./common.mjs";

const { said } = app;
const sent = [];
const headers = { authorization: "" };

/** Sends a request, and notes its verb, whether it brought the document along, and the status of the answer. */
async function noted(address, options) {
  const { searchParams } = new URL(address);
  const brought = searchParams.has("query") || Boolean(options.body && JSON.parse(options.body).query);
  const response = await fetch(address, { ...options, headers: { ...options.headers, ...headers } });
  sent.push([options.method ?? "GET", brought ? "document" : "hash", response.status]);
  return response;
}

const signIn = await fetch(app.endpoint, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ query: app.LOG_IN, variables: { input: { email: app.login, password: app.password } } }),
});
headers.authorization = `Bearer ${(await signIn.json()).data.logIn.signedIn.accessToken}`;
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

async function twice(name, ask) {
  sent.length = 0;
  const query = gql(`query ${name}($first: Int!) { customers(first: $first, orderBy: [{ field: NAME }]) { nodes { name } } }`);
  const answers = [await ask(query), await ask(query)];
  said[name] = { sent: [...sent], names: answers.map(({ data }) => data.customers.nodes.map((node) => node.name)) };
}

for (const useGETForHashedQueries of [false, true]) {
  const link = new PersistedQueryLink({ sha256, useGETForHashedQueries }).concat(new HttpLink({ uri: app.endpoint, fetch: noted }));
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const ask = (query) => client.query({ query, variables: { first: 1 }, fetchPolicy: "network-only" });
  await twice(useGETForHashedQueries ? "ApolloGet" : "ApolloPost", ask);
}
for (const preferGetForPersistedQueries of [false, true]) {
  const exchanges = [persistedExchange({ preferGetForPersistedQueries, generateHash: async (text) => sha256(text) }), fetchExchange];
  const client = new Client({ url: app.endpoint, preferGetMethod: false, fetch: noted, exchanges });
  const ask = (query) => client.query(query, { first: 1 }, { requestPolicy: "network-only" });
  await twice(preferGetForPersistedQueries ? "UrqlGet" : "UrqlPost", ask);
}
app.finish();
