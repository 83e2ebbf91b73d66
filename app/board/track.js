// One visit, for whoever has its link. The secret stands behind the #, which browsers do not send to a server, and it
// leaves this page in a message of the socket only.
const $ = (selector) => document.querySelector(selector);
const token = location.hash.slice(1);
const DOCUMENT = `subscription Track($token: String!) {
  trackVisit(token: $token) {
    statusLabel isOver windowStart windowEnd startsAt etaAt timeZone technicianFirstName
    place { coordinates { latitude longitude } at }
  }
}`;

// Times are those of the place that is visited, and say so: whoever has the link may be elsewhere.
const TIME = { hour: "2-digit", minute: "2-digit", timeZoneName: "short" };
const DAY = { ...TIME, year: "numeric", month: "short", day: "numeric" };
const spoken = (text, options, timeZone) => new Date(text).toLocaleString([], { ...options, timeZone });

function put(id, text) {
  const place = $(`#${id}`);
  place.textContent = text ?? "";
  place.closest("div").hidden = !text;
}

function show(visit) {
  const clock = (text) => spoken(text, TIME, visit.timeZone);
  const day = (text) => spoken(text, DAY, visit.timeZone);
  document.title = visit.statusLabel;
  $("#status").textContent = visit.statusLabel;
  $("#message").textContent = "";
  $("dl").hidden = false;
  put("planned", visit.startsAt && !visit.isOver && day(visit.startsAt));
  put("window", visit.windowStart && !visit.isOver && `${day(visit.windowStart)} and ${clock(visit.windowEnd)}`);
  put("eta", visit.etaAt && !visit.isOver && clock(visit.etaAt));
  put("who", visit.technicianFirstName);
  const { latitude, longitude } = visit.place?.coordinates ?? {};
  put("place", visit.place && `${latitude.toFixed(3)}, ${longitude.toFixed(3)} at ${clock(visit.place.at)}`);
}

function tell(title, message) {
  $("#status").textContent = title;
  $("#message").textContent = message;
  $("dl").hidden = true;
}

const client = graphqlWs.createClient({
  url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`,
  keepAlive: 12_000,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  on: {
    connected: () => ($("#as-of").textContent = "Live"),
    closed: () => ($("#as-of").textContent = "Connecting again …"),
  },
});

function follow() {
  client.subscribe(
    { query: DOCUMENT, variables: { token } },
    {
      next({ data, errors }) {
        if (data?.trackVisit) show(data.trackVisit);
        else this.error(errors);
      },
      error(problem) {
        const first = Array.isArray(problem) ? problem[0] : undefined;
        if (first?.extensions?.code === "NOT_FOUND") {
          tell("There is nothing to see here", "The link is not complete, or its time is over. Ask for a new one.");
          $("#as-of").hidden = true;
          client.dispose();
        } else setTimeout(follow, (first?.extensions?.retryAfterSeconds ?? 5) * 1000);
      },
      complete() {},
    },
  );
}

// Another link in the same window is another visit.
addEventListener("hashchange", () => location.reload());
follow();
