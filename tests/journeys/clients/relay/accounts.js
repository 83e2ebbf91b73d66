// A small Relay app without React: what relay-compiler made of its documents runs in relay-runtime.
// Usage: node accounts.js URL LOGIN PASSWORD — in a folder where relay-compiler has written __generated__.
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import runtime from "relay-runtime";

const { ConnectionHandler, Environment, Network, RecordSource, Store } = runtime;
const [url, login, password] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const said = {};

// What babel-plugin-relay does: a document stands for its artifact.
const artifacts = {};
for (const file of readdirSync(new URL("__generated__", import.meta.url))) {
  if (file.endsWith(".graphql.js")) artifacts[file.split(".")[0]] = require(`./__generated__/${file}`);
}
const graphql = ([text]) => artifacts[/(?:query|mutation|subscription|fragment) (\w+)/.exec(text)[1]];

const LogIn = graphql`
  mutation accountsLogInMutation($input: LogInInput!) {
    logIn(input: $input) { signedIn { accessToken } }
  }
`;
const List = graphql`
  query accountsQuery($startsWith: String!) {
    ...accounts_list @arguments(startsWith: $startsWith, count: 3)
  }
`;
const ListFragment = graphql`
  fragment accounts_list on Query
  @argumentDefinitions(startsWith: { type: "String!" }, count: { type: "Int", defaultValue: 3 }, cursor: { type: "String" })
  @refetchable(queryName: "accountsPageQuery") {
    customers(first: $count, after: $cursor, filter: { externalId: { startsWith: $startsWith } }, orderBy: [{ field: NAME }])
      @connection(key: "accounts_customers", filters: []) {
      __id
      totalCount
      edges { node { id ...accounts_account } }
    }
  }
`;
const AccountFragment = graphql`
  fragment accounts_account on Customer @refetchable(queryName: "accountsAccountQuery") { id version name }
`;
const Create = graphql`
  mutation accountsCreateMutation($input: CreateCustomerInput!, $connections: [ID!]!) {
    createCustomer(input: $input) {
      customer @appendNode(connections: $connections, edgeTypeName: "CustomerEdge") { id ...accounts_account }
      errors { code }
    }
  }
`;
const Rename = graphql`
  mutation accountsRenameMutation($input: UpdateCustomerInput!) {
    updateCustomer(input: $input) {
      customer { ...accounts_account }
      errors { __typename code ... on StaleVersion { expected actual } }
    }
  }
`;

let token = null;
let requests = 0;
const environment = new Environment({
  store: new Store(new RecordSource()),
  network: Network.create(async ({ text }, variables) => {
    requests += 1;
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
      body: JSON.stringify({ query: text, variables }),
    });
    return response.json();
  }),
});
const load = (query, variables) =>
  runtime.fetchQuery(environment, query, variables, { fetchPolicy: "network-only" }).toPromise();
const mutate = (mutation, variables) =>
  new Promise((resolve, reject) => {
    runtime.commitMutation(environment, { mutation, variables, onCompleted: (data) => resolve(data), onError: reject });
  });
/** What a component sees that reads a fragment. */
const see = (fragment, reference) =>
  environment.lookup(runtime.getSingularSelector(fragment, reference)).data;

token = (await mutate(LogIn, { input: { email: login, password } })).logIn.signedIn.accessToken;

// The first page, then the others, as usePaginationFragment's loadNext asks for them.
const variables = { startsWith: "acc-" };
const operation = runtime.createOperationDescriptor(List, variables);
environment.retain(operation);
await load(List, variables);
const root = environment.lookup(operation.fragment).data;
const list = () => see(ListFragment, root).customers;
const names = () => list().edges.map(({ node }) => see(AccountFragment, node).name);
said.pages = [names()];
const { paginationRequest, paginationMetadata } = runtime.getPaginationMetadata(ListFragment, "accounts");
while (list().pageInfo.hasNextPage) {
  const page = runtime.getPaginationVariables(
    "forward", 3, list().pageInfo.endCursor, variables, {}, paginationMetadata,
  );
  await load(paginationRequest, page);
  said.pages.push(names());
}
said.totalCount = list().totalCount;

// A new account takes its place at the end of the list, without another request.
requests = 0;
const { createCustomer } = await mutate(Create, {
  input: { name: "Relay", type: "ENTERPRISE" },
  connections: [ConnectionHandler.getConnectionID("client:root", "accounts_customers")],
});
said.appended = names().at(-1);
said.requests = requests;

// A fragment on a node is loaded anew by node(id:).
const { id } = createCustomer.customer;
await fetch(`${url}/graphql`, {
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
  body: JSON.stringify({
    query: "mutation($input: UpdateCustomerInput!) { updateCustomer(input: $input) { errors { code } } }",
    variables: { input: { id, name: "Renamed elsewhere" } },
  }),
});
said.stale = names().at(-1);
await load(runtime.getRefetchMetadata(AccountFragment, "accounts").refetchableRequest, { id });
said.refetched = names().at(-1);

// A mutation's answer changes the row wherever it is shown; a problem changes nothing.
await mutate(Rename, { input: { id, name: "Relay 2", version: 2 } });
said.renamed = names().at(-1);
said.problems = (await mutate(Rename, { input: { id, name: "Late", version: 2 } })).updateCustomer;
said.unchanged = names().at(-1);
process.stdout.write(`${JSON.stringify(said)}\n`);
