// A signed-in session in the browser: tokens in sessionStorage, renewed before they end, and one way to ask the API.
const KEY = "truckroll.session";

export function stored() {
  try { return JSON.parse(sessionStorage.getItem(KEY)); } catch { return null; }
}

function keep(session) {
  if (session) sessionStorage.setItem(KEY, JSON.stringify(session)); else sessionStorage.removeItem(KEY);
  return session;
}

export async function post(document, variables = {}, token = null) {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: JSON.stringify({ query: document, variables }),
  });
  const answer = await response.json();
  if (answer.errors?.length && !answer.data) throw Object.assign(new Error(answer.errors[0].message), { answer });
  return answer;
}

const SESSION = "signedIn { accessToken accessExpiresAt refreshToken } errors { code message }";

export async function signIn(email, password) {
  const { data } = await post(
    `mutation SignIn($input: LogInInput!) { logIn(input: $input) { ${SESSION} } }`, { input: { email, password } });
  if (data.logIn.errors.length) throw new Error(data.logIn.errors[0].message);
  return keep(data.logIn.signedIn);
}

let renewal = null;

export async function token() {
  const session = stored();
  if (!session) return null;
  if (Date.parse(session.accessExpiresAt) - Date.now() > 60_000) return session.accessToken;
  renewal ??= post(
    `mutation Renew($input: RefreshSessionInput!) { refreshSession(input: $input) { ${SESSION} } }`,
    { input: { refreshToken: session.refreshToken } },
  ).then(({ data }) => keep(data.refreshSession.signedIn)?.accessToken ?? null).finally(() => { renewal = null; });
  return renewal;
}

export async function ask(document, variables = {}) {
  return post(document, variables, await token());
}

export function signOut() {
  keep(null);
}

export function liveClient(listeners = {}) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return graphqlWs.createClient({
    url: `${scheme}://${location.host}/graphql`,
    lazy: true,
    keepAlive: 12_000,
    retryAttempts: Infinity,
    shouldRetry: () => true,
    connectionParams: async () => {
      const access = await token();
      return access ? { authorization: `Bearer ${access}` } : {};
    },
    on: listeners,
  });
}

// A link such as /#email=…&password=… signs in at once. What follows the # never leaves the browser.
export async function signInFromLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  if (!link.get("email")) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return signIn(link.get("email"), link.get("password") ?? "");
}
