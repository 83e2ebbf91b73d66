// A signed-in session in the browser: tokens in sessionStorage, renewed before they end, and one way to ask
// the API.
const KEY = "truckroll.session";
const RENEW_BEFORE_MILLISECONDS = 60_000;
const FORBIDDEN = 4403;

export class SessionEnded extends Error {
  constructor() {
    super("Your session has ended. Please sign in again.");
  }
}

export function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null;
  }
}

function keep(session) {
  if (session) sessionStorage.setItem(KEY, JSON.stringify(session));
  else sessionStorage.removeItem(KEY);
  return session;
}

async function post(document, variables = {}, access = null) {
  let response, answer;
  try {
    response = await fetch("/graphql", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(access ? { authorization: `Bearer ${access}` } : {}),
      },
      body: JSON.stringify({ query: document, variables }),
    });
    answer = await response.json();
  } catch {
    throw new Error("The server cannot be reached at the moment.");
  }
  if (response.status === 401) throw new SessionEnded();
  if (answer.errors?.length) throw new Error(answer.errors[0].message);
  return answer.data;
}

const SESSION = `signedIn { accessToken accessExpiresAt refreshToken mustEnroll } errors { message
  ... on SecondFactorRequired { challenge { token passkeyOptions methods { id kind name hint } } } }`;

// The session, or what is asked for before there is one.
function begun({ signedIn, errors }) {
  const [problem] = errors;
  if (problem?.challenge) return answerChallenge(problem.challenge);
  if (problem) throw new Error(problem.message);
  return keep(signedIn);
}

async function answerChallenge(challenge) {
  const { askForFactor } = await import("/assets/factor.js");
  return askForFactor(challenge, {
    complete: async (answer) => {
      const { completeLogIn } = await post(
        `mutation Complete($input: CompleteLogInInput!) { completeLogIn(input: $input) { ${SESSION} } }`,
        { input: { challenge: challenge.token, ...answer } },
      );
      return begun(completeLogIn);
    },
    send: async (methodId) => {
      const { sendFactorCode } = await post(
        "mutation Send($input: SendFactorCodeInput!) { sendFactorCode(input: $input) { errors { message } } }",
        { input: { challenge: challenge.token, methodId } },
      );
      if (sendFactorCode.errors.length) throw new Error(sendFactorCode.errors[0].message);
    },
  });
}

export async function signIn(email, password) {
  const { logIn } = await post(
    `mutation SignIn($input: LogInInput!) { logIn(input: $input) { ${SESSION} } }`,
    { input: { email, password } },
  );
  return begun(logIn);
}

// A link such as /#email=…&password=… signs in at once. What follows the # never leaves the browser.
export async function signInFromLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  if (!link.get("email")) return;
  history.replaceState(null, "", location.pathname + location.search);
  await signIn(link.get("email"), link.get("password") ?? "");
}

export async function signOut() {
  const session = stored();
  keep(null);
  if (session)
    await post("mutation { logOut { errors { message } } }", {}, session.accessToken).catch(() => {});
}

let renewal = null;

// The renewed access token. Only the server's refusal ends the session; a server that is away does not.
function renew(session) {
  renewal ??= post(
    `mutation Renew($input: RefreshSessionInput!) { refreshSession(input: $input) { ${SESSION} } }`,
    { input: { refreshToken: session.refreshToken } },
  )
    .then(({ refreshSession }) => {
      if (!refreshSession.signedIn) {
        keep(null);
        throw new SessionEnded();
      }
      return keep(refreshSession.signedIn).accessToken;
    })
    .finally(() => {
      renewal = null;
    });
  return renewal;
}

export async function token() {
  const session = stored();
  if (!session) throw new SessionEnded();
  return Date.parse(session.accessExpiresAt) - Date.now() > RENEW_BEFORE_MILLISECONDS
    ? session.accessToken
    : renew(session);
}

export async function ask(document, variables = {}) {
  try {
    return await post(document, variables, await token());
  } catch (problem) {
    if (!(problem instanceof SessionEnded) || !stored()) throw problem;
    return post(document, variables, await renew(stored()));
  }
}

// A socket that comes back by itself. `ended` is told when the session is over for good.
export function liveClient({ ended = () => {}, ...listeners } = {}) {
  let refused = false;
  return graphqlWs.createClient({
    url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`,
    lazy: true,
    keepAlive: 12_000,
    retryAttempts: Infinity,
    retryWait: (retries) =>
      new Promise((resolve) =>
        setTimeout(resolve, Math.min(500 * 2 ** retries, 10_000) * (0.75 + Math.random() / 2)),
      ),
    shouldRetry: () => true,
    connectionParams: async () => {
      if (!stored()) return {};
      try {
        return { authorization: `Bearer ${refused ? await renew(stored()) : await token()}` };
      } catch (problem) {
        if (!(problem instanceof SessionEnded)) return { authorization: `Bearer ${stored().accessToken}` };
        ended(problem);
        return {};
      }
    },
    on: {
      ...listeners,
      connected: (...all) => {
        refused = false;
        listeners.connected?.(...all);
      },
      closed: (event) => {
        refused = event?.code === FORBIDDEN;
        listeners.closed?.(event);
      },
    },
  });
}
