import { liveClient, signIn, signInFromLink, stored, token } from "/assets/session.js";

const form = document.getElementById("sign-in");
const said = form.querySelector("output");

const EXAMPLE = `# Sign in above, then press ▶ or Ctrl-Enter. Ctrl-Space completes; the book on the left holds the whole schema.
query Today {
  viewer { user { legalName } roles }
  workOrders(first: 5) {
    totalCount
    nodes { number summary status priority customer { name } }
  }
}
`;

let client = liveClient();
let root = null;

function draw() {
  root?.unmount();
  root = ReactDOM.createRoot(document.getElementById("graphiql"));
  const fetcher = GraphiQL.createFetcher({ url: "/graphql", wsClient: client, fetch: async (url, options) => {
    const access = await token();
    return fetch(url, { ...options, headers: { ...options.headers, ...(access ? { authorization: `Bearer ${access}` } : {}) } });
  } });
  root.render(React.createElement(GraphiQL, { fetcher, defaultQuery: EXAMPLE, shouldPersistHeaders: false }));
  said.textContent = stored() ? "Signed in." : "";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(form));
  try {
    await signIn(email, password);
    client.dispose();
    client = liveClient();
    draw();
  } catch (problem) {
    said.textContent = problem.message;
  }
});

await signInFromLink().catch((problem) => { said.textContent = problem.message; });
draw();
