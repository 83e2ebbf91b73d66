// GraphiQL as the person who is signed in: queries by HTTP, subscriptions by WebSocket, each with the
// session's token.
import { ask, liveClient, signIn, signInFromLink, signOut, stored, token } from "/assets/session.js";

const form = document.getElementById("sign-in");
const out = document.getElementById("sign-out");
const said = document.querySelector("header output");

const EXAMPLE = `# ▶ or Ctrl-Enter runs one of these.
# Ctrl-Space completes; the book holds the schema.
query Today {
  viewer { roles user { legalName } }
  workOrders(
    first: 5
    orderBy: [{ field: PRIORITY, direction: DESC }]
  ) {
    totalCount
    nodes {
      number summary statusLabel priority
      customer { name }
    }
  }
}

# Stays open and tells each visit that changes.
subscription Visits {
  appointmentChanged {
    at
    fact
    appointment {
      statusLabel startsAt
      workOrder { number summary }
      site { name }
    }
  }
}
`;

let client = null;
let root = null;

async function draw(message = "") {
  client?.dispose();
  client = liveClient({ ended: (problem) => draw(problem.message) });
  root?.unmount();
  root = ReactDOM.createRoot(document.getElementById("graphiql"));
  const fetcher = GraphiQL.createFetcher({
    url: "/graphql",
    wsClient: client,
    fetch: async (url, options) => {
      const access = stored() ? await token() : null;
      return fetch(url, {
        ...options,
        headers: { ...options.headers, ...(access ? { authorization: `Bearer ${access}` } : {}) },
      });
    },
  });
  root.render(React.createElement(GraphiQL, { fetcher, defaultQuery: EXAMPLE, shouldPersistHeaders: false }));
  said.textContent = message;
  form.hidden = Boolean(stored());
  out.hidden = !stored();
  if (stored()) {
    const { viewer } = await ask("{ viewer { user { legalName email } } }");
    said.textContent = `${viewer.user.legalName} · ${viewer.user.email}`;
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(form));
  try {
    await signIn(email, password);
    form.reset();
    await draw();
  } catch (problem) {
    said.textContent = problem.message;
  }
});

out.addEventListener("click", async () => {
  await signOut();
  await draw();
});

try {
  await signInFromLink();
  await draw();
} catch (problem) {
  await draw(problem.message);
}
