// The day, live: what waits, who is where, and every visit as it changes. Reads once, then follows the
// journal by cursor.
import { SessionEnded, ask, liveClient, signIn, signInFromLink, signOut, stored } from "/assets/session.js";

const $ = (selector, within = document) => within.querySelector(selector);
const HOUR = 3_600_000;
const PAGE = 100;
const FEED_LINES = 80;
// Facts that the feed leaves out: each accompanies one that it tells.
const SMALL_PRINT = /^(Timer|LineItem|Note|TimeEntry)/;
const FLASH_MILLISECONDS = 1600;
const OVER = new Set(["COMPLETED", "PARTIALLY_COMPLETED", "CANNOT_COMPLETE", "CANCELED"]);
const BUSY = new Set(["EN_ROUTE", "ON_SITE", "IN_PROGRESS", "PAUSED"]);
const HELD = new Set(["PROPOSED", "ACCEPTED"]);
const URGENCY = ["EMERGENCY", "URGENT", "HIGH", "NORMAL", "LOW"];

const PLACE = "id name coordinates { latitude longitude }";
const POSITION = "coordinates { latitude longitude } at";
// What is followed: the subscription, its noun, what to read of it, and where it is kept.
const SUBJECTS = [
  [
    "workOrderChanged",
    "workOrder",
    "workOrders",
    `id number summary status statusLabel priority submittedAt customer { name } site { ${PLACE} }`,
  ],
  [
    "technicianChanged",
    "technician",
    "technicians",
    `id name status statusLabel color isActive home { latitude longitude } position { ${POSITION} }`,
  ],
  [
    "appointmentChanged",
    "appointment",
    "appointments",
    `id status statusLabel startsAt endsAt etaAt travelMinutes workOrder { id number summary priority customer { name } }
     site { ${PLACE} } assignments(first: 5) { nodes { status technician { id } } }`,
  ],
];
const selectionOf = (rows) => SUBJECTS.find(([, , name]) => name === rows)[3];

let state = null;
let client = null;

// Small tools -------------------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "circle", "path", "line", "text", "title"].includes(tag);
  const element = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Makes the children of an element those of the items, keeping the element of each key, so that it can move
// and keep focus.
function keyed(parent, items, create, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = items.map((item) => {
    const element = known.get(item.id) ?? create(item);
    element.dataset.key = item.id;
    update(element, item);
    return element;
  });
  wanted.forEach((element, index) => {
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] ?? null);
  });
  while (parent.children.length > wanted.length) parent.lastElementChild.remove();
}

const format = (moment, options) =>
  new Intl.DateTimeFormat(undefined, { timeZone: state.zone, ...options }).format(new Date(moment));
const clock = (moment) => format(moment, { hour: "numeric", minute: "2-digit" });
const clockWithSeconds = (moment) =>
  format(moment, { hour: "numeric", minute: "2-digit", second: "2-digit" });
const customerOf = (visit) => visit.workOrder?.customer?.name ?? visit.site?.name ?? "";
const initials = (name) =>
  name
    .split(" ")
    .map((word) => word[0])
    .join("")
    .slice(0, 2);
const isOf = (visit, technician) =>
  visit.assignments.nodes.some((one) => one.technician?.id === technician.id && HELD.has(one.status));
const tag = (priority) => make("span", { class: `tag ${priority}` }, priority.toLowerCase());
const badge = (technician) => {
  const element = make("span", { class: "badge" }, initials(technician.name));
  element.style.background = technician.color ?? "";
  return element;
};

// The local day, and a little more at its ends: whoever works at night wants to see both sides of midnight.
function dayBounds() {
  const now = Date.now();
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat("en-US", {
      timeZone: state.zone,
      hourCycle: "h23",
      hour: "2-digit",
      minute: "2-digit",
    })
      .formatToParts(now)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const midnight = now - parts.hour * HOUR - parts.minute * 60_000;
  return { from: Math.min(midnight, now - 6 * HOUR), to: Math.max(midnight + 24 * HOUR, now + 12 * HOUR) };
}

// Reading and following ---------------------------------------------------------------------------

async function pages(field, filter = "") {
  const nodes = [];
  let after = null;
  do {
    const document = `query Page($after: String) {
      ${field}(first: ${PAGE}, after: $after${filter}) { nodes { ${selectionOf(field)} } pageInfo { hasNextPage endCursor } } }`;
    const page = (await ask(document, { after }))[field];
    nodes.push(...page.nodes);
    after = page.pageInfo.hasNextPage ? page.pageInfo.endCursor : null;
  } while (after && nodes.length < 10 * PAGE);
  return new Map(nodes.map((row) => [row.id, row]));
}

async function read() {
  const { journalCursor, viewer } = await ask("{ journalCursor viewer { organization { name timeZone } } }");
  state = {
    cursor: journalCursor,
    zone: viewer.organization.timeZone,
    name: viewer.organization.name,
    changed: new Map(),
  };
  const { from, to } = dayBounds();
  const during = `startsAt: { gte: "${new Date(from - 6 * HOUR).toISOString()}", lt: "${new Date(to + 12 * HOUR).toISOString()}" }`;
  [state.workOrders, state.technicians, state.appointments] = await Promise.all([
    pages("workOrders", ", filter: { status: { in: [SUBMITTED, TRIAGED] } }"),
    pages("technicians", ", filter: { isActive: { eq: true } }"),
    pages("appointments", `, filter: { ${during} }`),
  ]);
}

function listen(document, variables, next) {
  const mine = client;
  // From the last event that came: nothing is missed.
  const resume = (seconds) => setTimeout(() => mine === client && listen(document, variables, next), seconds * 1000);
  client.subscribe(
    { query: document, variables },
    {
      next({ data, errors }) {
        if (data) next(data);
        else this.error(errors);
      },
      error(problem) {
        const code = Array.isArray(problem) ? problem[0]?.extensions?.code : undefined;
        // Too far behind, or the journal is another one: begin anew.
        if (code === "RESYNC_REQUIRED" || code === "INVALID_INPUT") setTimeout(start, 500);
        else if (code === "RATE_LIMITED") resume(problem[0].extensions.retryAfterSeconds);
        else if (Array.isArray(problem)) show(false, problem[0].message);
      },
      complete() {},
    },
  );
}

function follow() {
  for (const [field, noun, name, selection] of SUBJECTS) {
    const variables = { after: state.cursor };
    listen(
      `subscription Follow($after: String) { ${field}(after: $after) { cursor at fact ${noun}Id ${noun} { ${selection} } } }`,
      variables,
      (data) => {
        const event = data[field],
          id = event[`${noun}Id`],
          row = event[noun];
        variables.after = event.cursor; // a reconnect resumes here
        if (row) state[name].set(id, row);
        else state[name].delete(id);
        state.changed.set(id, performance.now());
        tell(event, noun, row);
        draw();
      },
    );
  }
  // Everybody comes first, after a reconnect as well: there is no cursor to keep.
  listen(
    "subscription Positions { technicianPositions { technicianId coordinates { latitude longitude } at isStale removed } }",
    {},
    ({ technicianPositions: { technicianId, removed, ...position } }) => {
      const technician = state.technicians.get(technicianId);
      if (technician) {
        technician.position = removed ? null : position;
        draw();
      }
    },
  );
}

const words = (fact) =>
  fact
    .replace("Appointment", "Visit")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .replace(/^./, (letter) => letter.toUpperCase());

function tell(event, noun, row) {
  if (SMALL_PRINT.test(event.fact)) return;
  const feed = $("#feed ol");
  const about =
    noun === "technician"
      ? [row?.name ?? "A technician", row?.statusLabel ?? ""]
      : noun === "appointment"
        ? [words(event.fact), row ? `${row.workOrder?.number ?? ""} · ${customerOf(row)}` : ""]
        : [words(event.fact), row ? `${row.number} · ${row.summary}` : ""];
  feed.prepend(
    make(
      "li",
      { "data-cursor": event.cursor, class: "fresh" },
      make("time", { datetime: event.at }, clockWithSeconds(event.at)),
      make("strong", {}, about[0]),
      make("span", {}, about[1]),
    ),
  );
  while (feed.children.length > FEED_LINES) feed.lastChild.remove();
}

function show(live, text) {
  $("#as-of").classList.toggle("live", live);
  $("#as-of .text").textContent = text;
}

// Drawing -----------------------------------------------------------------------------------------

let wanted = 0;
function draw() {
  wanted ||= requestAnimationFrame(() => {
    wanted = 0;
    if (state) drawAll();
  });
}

function flash(element, id) {
  const age = performance.now() - (state.changed.get(id) ?? -Infinity);
  element.classList.toggle("flash", age < FLASH_MILLISECONDS);
  if (age >= FLASH_MILLISECONDS) state.changed.delete(id);
}

function drawAll() {
  const { from, to } = dayBounds();
  const visits = [...state.appointments.values()].filter(
    (one) =>
      one.startsAt &&
      one.status !== "CANCELED" &&
      Date.parse(one.endsAt) > from &&
      Date.parse(one.startsAt) < to,
  );
  const technicians = [...state.technicians.values()]
    .filter((one) => one.isActive)
    .sort((a, b) => a.name.localeCompare(b.name));
  const waiting = [...state.workOrders.values()]
    .filter((one) => one.status === "SUBMITTED" || one.status === "TRIAGED")
    .sort(
      (a, b) => URGENCY.indexOf(a.priority) - URGENCY.indexOf(b.priority) || a.number.localeCompare(b.number),
    );
  drawFigures(waiting, visits);
  drawQueue(waiting);
  drawSchedule(technicians, visits);
  drawMap(technicians, visits);
}

function drawFigures(waiting, visits) {
  const count = (test) => visits.filter(test).length;
  const figures = [
    ["waiting", waiting.length],
    ["visits", visits.length],
    ["under way", count((one) => BUSY.has(one.status))],
    ["done", count((one) => OVER.has(one.status))],
    ["to go", count((one) => one.status === "SCHEDULED" || one.status === "DISPATCHED")],
  ];
  $("#figures").replaceChildren(
    ...figures.map(([name, figure]) => make("div", {}, make("dd", {}, String(figure)), make("dt", {}, name))),
  );
}

function drawQueue(waiting) {
  $("#queue .count").textContent = waiting.length || "";
  const items = waiting.length ? waiting.slice(0, PAGE) : [{ id: "none" }];
  keyed(
    $("#queue ol"),
    items,
    () => make("li"),
    (line, one) => {
      line.className = one.id === "none" ? "empty" : "";
      if (one.id === "none")
        return line.replaceChildren(make("strong", {}, "Nothing waits"), "Every request has its visit.");
      flash(line, one.id);
      line.replaceChildren(
        make(
          "div",
          { class: "top" },
          tag(one.priority),
          make("span", { class: "number" }, one.number),
          make("time", {}, clock(one.submittedAt)),
        ),
        make("strong", {}, one.summary),
        make("div", { class: "soft" }, one.site?.name ?? one.customer?.name ?? ""),
      );
    },
  );
}

function drawSchedule(technicians, visits) {
  const now = Date.now();
  const from =
    Math.floor(
      Math.min(
        now - HOUR / 4,
        ...visits.map((one) => Date.parse(one.startsAt) - (one.travelMinutes ?? 0) * 60_000),
      ) / HOUR,
    ) * HOUR;
  const to =
    Math.ceil(Math.max(now + 4 * HOUR, ...visits.map((one) => Date.parse(one.endsAt))) / HOUR) * HOUR;
  const share = (milliseconds) => `${(milliseconds / (to - from)) * 100}%`;
  const hours = (to - from) / HOUR,
    step = hours > 16 ? 3 : hours > 10 ? 2 : 1;
  const moments = Array.from({ length: Math.ceil(hours / step) }, (_, index) => from + index * step * HOUR);
  $("#schedule .count").textContent = `times in ${state.zone.split("/").at(-1).replace("_", " ")}`;
  $("#schedule .scroll").style.setProperty("--hour", share(step * HOUR));
  $(".hours").replaceChildren(
    ...moments.map((moment) => {
      const mark = make("span", {}, format(moment, { hour: "numeric" }));
      mark.style.left = share(moment - from);
      return mark;
    }),
  );
  const rows = technicians.length ? technicians : [{ id: "none" }];
  keyed(
    $(".rows"),
    rows,
    (one) =>
      one.id === "none"
        ? make("li", { class: "empty" }, "There are no technicians yet.")
        : make(
            "li",
            {},
            make("div", { class: "who" }),
            make("div", { class: "lane" }, make("div", { class: "visits" }), make("div", { class: "now" })),
          ),
    (row, technician) => {
      if (technician.id === "none") return;
      const own = visits.filter((visit) => isOf(visit, technician));
      const done = own.filter((visit) => OVER.has(visit.status)).length;
      $(".who", row).replaceChildren(
        badge(technician),
        make(
          "div",
          {},
          make("strong", {}, technician.name),
          make(
            "small",
            {},
            make("span", { class: `doing ${technician.status}` }, technician.statusLabel),
            ...(own.length ? [` · ${done}/${own.length}`, make("span", { class: "wide" }, " done")] : []),
          ),
        ),
      );
      $(".now", row).style.left = share(now - from);
      keyed(
        $(".visits", row),
        uncovered(own),
        () => make("div", { tabindex: "0" }, make("div", { class: "travel" }), make("div", { class: "bar" })),
        (element, one) => drawVisit(element, one, from, share),
      );
    },
  );
}

// The visits of a row with the times to draw. One that is over frees its time for others: of it, what they
// leave is drawn.
function uncovered(visits) {
  const taken = [],
    shown = [];
  const rank = (visit) => (OVER.has(visit.status) ? 1 : 0);
  for (const visit of [...visits].sort(
    (a, b) => rank(a) - rank(b) || Date.parse(b.startsAt) - Date.parse(a.startsAt),
  )) {
    const travel = rank(visit) ? 0 : (visit.travelMinutes ?? 0) * 60_000;
    let pieces = [[Date.parse(visit.startsAt) - travel, Date.parse(visit.endsAt)]];
    if (rank(visit))
      for (const [begins, over] of taken) {
        pieces = pieces.flatMap(([start, end]) =>
          over <= start || end <= begins
            ? [[start, end]]
            : [
                [start, begins],
                [over, end],
              ].filter(([a, b]) => a < b),
        );
      }
    const [start, end] = pieces.sort((a, b) => b[1] - b[0] - (a[1] - a[0]))[0] ?? [0, 0];
    if (end - start < 3 * 60_000) continue;
    taken.push([start, end]);
    shown.push({ id: visit.id, visit, start, end, travel });
  }
  return shown.sort((a, b) => a.start - b.start);
}

function drawVisit(element, { visit, start, end, travel }, from, share) {
  element.className = `visit ${visit.status} ${OVER.has(visit.status) ? "over" : BUSY.has(visit.status) ? "busy" : ""}`;
  flash(element, visit.id);
  element.style.left = share(start - from);
  element.style.width = share(end - start);
  $(".travel", element).style.width = `${(travel / (end - start)) * 100}%`;
  element.title =
    `${visit.workOrder?.number ?? ""} ${visit.workOrder?.summary ?? ""}\n${visit.site?.name ?? customerOf(visit)}\n` +
    `${clock(visit.startsAt)} – ${clock(visit.endsAt)}${travel ? ` after ${visit.travelMinutes} min of travel` : ""}\n` +
    `${visit.statusLabel}${visit.status === "EN_ROUTE" && visit.etaAt ? `, expected ${clock(visit.etaAt)}` : ""} · ${visit.workOrder?.priority?.toLowerCase() ?? ""}`;
  element.setAttribute("aria-label", element.title.replaceAll("\n", ", "));
  const urgent = ["URGENT", "EMERGENCY"].includes(visit.workOrder?.priority)
    ? [make("b", { title: visit.workOrder.priority.toLowerCase() }, "!")]
    : [];
  $(".bar", element).replaceChildren(
    make("span", {}, ...urgent, customerOf(visit)),
    make("small", {}, visit.statusLabel),
  );
}

const pointOf = (technician) => technician.position?.coordinates ?? technician.home;

function projection(points, width, height) {
  const margin = 26,
    ruler = 12; // what marks need around their middle, and the ruler below
  const latitudes = points.map((one) => one.latitude),
    longitudes = points.map((one) => one.longitude);
  const [south, north, west, east] = [
    Math.min(...latitudes),
    Math.max(...latitudes),
    Math.min(...longitudes),
    Math.max(...longitudes),
  ];
  const shrink = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const scale = Math.min(
    (width - 2 * margin) / Math.max((east - west) * shrink, 0.01),
    (height - 2 * margin - ruler) / Math.max(north - south, 0.01),
  );
  const left = (width - (east - west) * shrink * scale) / 2,
    top = (height - ruler - (north - south) * scale) / 2;
  return {
    scale,
    at: (one) => [left + (one.longitude - west) * shrink * scale, top + (north - one.latitude) * scale],
  };
}

// Moves marks that cover each other apart a little, so that each can be read.
function spread(marks, distance) {
  for (let round = 0; round < 12; round++) {
    for (let first = 0; first < marks.length; first++)
      for (let second = first + 1; second < marks.length; second++) {
        const a = marks[first],
          b = marks[second],
          dx = b.x - a.x || 0.01 * (second + 1),
          dy = b.y - a.y || 0.01,
          apart = Math.hypot(dx, dy);
        if (apart >= distance) continue;
        const push = (distance - apart) / 2 / apart;
        a.x -= dx * push;
        a.y -= dy * push;
        b.x += dx * push;
        b.y += dy * push;
      }
  }
}

function drawMap(technicians, visits) {
  const canvas = $("#canvas"),
    { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  const sites = new Map();
  for (const visit of visits) {
    if (!visit.site?.coordinates) continue;
    const before = sites.get(visit.site.id);
    const rank = (one) => (BUSY.has(one.status) ? 2 : OVER.has(one.status) ? 0 : 1);
    if (!before || rank(visit) > rank(before.visit))
      sites.set(visit.site.id, { ...visit.site.coordinates, id: visit.site.id, visit });
  }
  const crew = technicians.filter(pointOf);
  const points = [...sites.values(), ...crew.map(pointOf), ...crew.map((one) => one.home).filter(Boolean)];
  for (const layer of ["grid", "homes", "sites", "ways", "people"])
    if (!$(`.${layer}`, canvas)) canvas.append(make("g", { class: layer }));
  canvas.setAttribute("viewBox", `0 0 ${width} ${height}`);
  if (!points.length) return;
  const { scale, at } = projection(points, width, height);
  drawGrid($(".grid", canvas), width, height, scale);
  const place = (element, x, y) => {
    element.style.transform = `translate(${x}px, ${y}px)`;
  };
  keyed(
    $(".homes", canvas),
    crew.filter((one) => one.home),
    (one) =>
      make("path", { class: "home", d: "M-4 0 0-4 4 0V4H-4z" }, make("title", {}, `Home of ${one.name}`)),
    (mark, one) => place(mark, ...at(one.home)),
  );
  keyed(
    $(".sites", canvas),
    [...sites.values()],
    () => make("circle", { r: 4 }, make("title")),
    (mark, site) => {
      mark.setAttribute(
        "class",
        `site ${BUSY.has(site.visit.status) ? "busy" : OVER.has(site.visit.status) ? "done" : ""}`,
      );
      mark.firstChild.textContent = `${site.visit.site.name} · ${site.visit.statusLabel}`;
      place(mark, ...at(site));
    },
  );
  const people = crew.map((one) => {
    const [x, y] = at(pointOf(one));
    return { id: one.id, technician: one, x, y };
  });
  spread(people, 20);
  const ways = people.flatMap((one) => {
    const visit = visits.find(
      (each) => each.status === "EN_ROUTE" && each.site?.coordinates && isOf(each, one.technician),
    );
    return visit
      ? [{ id: one.id, from: [one.x, one.y], to: at(visit.site.coordinates), color: one.technician.color }]
      : [];
  });
  keyed(
    $(".ways", canvas),
    ways,
    () => make("path"),
    (way, one) => {
      way.style.stroke = one.color ?? "";
      way.setAttribute("d", `M${one.from} L${one.to}`);
    },
  );
  keyed(
    $(".people", canvas),
    people,
    () => make("g", { class: "person" }, make("circle", { r: 10 }), make("text"), make("title")),
    (mark, { technician, x, y }) => {
      $("circle", mark).style.fill = technician.color ?? "";
      $("text", mark).textContent = initials(technician.name);
      $("title", mark).textContent = `${technician.name} · ${technician.statusLabel}`;
      mark.classList.toggle("off", technician.status === "OFF");
      place(mark, x, y);
    },
  );
}

function drawGrid(layer, width, height, scale) {
  const perKilometer = scale / 111.2;
  const kilometers = [1, 2, 5, 10, 20, 50, 100, 500, 1000].find((one) => one * perKilometer >= 40) ?? 5000;
  const step = kilometers * perKilometer;
  const lines = [];
  for (let x = step; x < width; x += step) lines.push(make("line", { x1: x, x2: x, y1: 0, y2: height }));
  for (let y = step; y < height; y += step) lines.push(make("line", { x1: 0, x2: width, y1: y, y2: y }));
  layer.replaceChildren(
    ...lines,
    make("path", { class: "ruler", d: `M12 ${height - 16}v5h${step}v-5` }),
    make("text", { x: 12 + step + 6, y: height - 10 }, `${kilometers} km`),
  );
}

// Coming and going --------------------------------------------------------------------------------

let starting = null;
function start() {
  starting ??= begin().finally(() => {
    starting = null;
  });
  return starting;
}

async function begin() {
  client?.dispose();
  client = null;
  show(false, "Loading …");
  try {
    await read();
  } catch (problem) {
    if (problem instanceof SessionEnded) return leave(problem.message);
    show(false, problem.message);
    setTimeout(start, 3000);
    return;
  }
  $("#sign-in").hidden = true;
  $("#board").hidden = $("#sign-out").hidden = false;
  $("#organization").textContent = state.name;
  $("#feed ol").replaceChildren();
  const live = () => show(true, `Live · ${clockWithSeconds(Date.now())}`);
  client = liveClient({
    connected: live,
    pong: live,
    message: live,
    closed: () => {
      if (client) show(false, `Reconnecting · as of ${clockWithSeconds(Date.now())}`);
    },
    ended: (problem) => leave(problem.message),
  });
  drawAll();
  $("#schedule .scroll").scrollLeft = 0;
  follow();
}

function leave(message = "") {
  client?.dispose();
  client = state = null;
  $("#board").hidden = $("#sign-out").hidden = true;
  $("#sign-in").hidden = false;
  $("#organization").textContent = "";
  $("#figures").replaceChildren();
  $("#sign-in output").textContent = message;
  $("#sign-in input").focus();
  show(false, "Not connected");
}

$("#sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target,
    button = $("button", form);
  const { email, password } = Object.fromEntries(new FormData(form));
  button.disabled = true;
  try {
    const { mustEnroll } = await signIn(email, password);
    form.reset();
    if (mustEnroll) {
      await signOut();
      leave("Your organization asks for a second factor. Set one up with enrollMfaMethod in GraphiQL first.");
    } else await start();
  } catch (problem) {
    leave(problem.message);
  }
  button.disabled = false;
});

$("#sign-out").addEventListener("click", () => {
  signOut();
  leave();
});
new ResizeObserver(draw).observe($("#canvas"));
setInterval(draw, 15_000); // the line of now moves

try {
  await signInFromLink();
  if (stored()) await start();
  else leave();
} catch (problem) {
  leave(problem.message);
}
