// Today, live: what waits, who is where, and every visit as it changes. Reads once, then follows the journal by cursor.
import { ask, liveClient, signIn, signInFromLink, signOut, stored } from "/assets/session.js";

const $ = (selector, within = document) => within.querySelector(selector);
const SVG = "http://www.w3.org/2000/svg";
const OVER = new Set(["COMPLETED", "PARTIALLY_COMPLETED", "CANNOT_COMPLETE", "CANCELED"]);
const BUSY = new Set(["EN_ROUTE", "ON_SITE", "IN_PROGRESS", "PAUSED"]);
const PAGE = 100;

const PLACE = "id name coordinates { latitude longitude }";
const WORK_ORDER = `id number summary status statusLabel priority customer { name } site { ${PLACE} }`;
const POINT = "coordinates { latitude longitude } at";
const TECHNICIAN = `id name status statusLabel color home { latitude longitude } position { ${POINT} }`;
const APPOINTMENT = `id status statusLabel startsAt endsAt etaAt
  workOrder { id number summary priority customer { name } } site { ${PLACE} }
  assignments(first: 5) { nodes { status technician { id } } }`;

const state = { workOrders: new Map(), technicians: new Map(), appointments: new Map(), cursor: null, zone: undefined };
let client = null;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function makeSvg(tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

const clock = (moment, seconds = false) => new Intl.DateTimeFormat(undefined, {
  timeZone: state.zone, hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}) }).format(new Date(moment));

function today() {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone: state.zone, dateStyle: "short" }).format(new Date());
  return parts;
}

async function pages(field, selection, argumentsText = "") {
  const nodes = [];
  let after = null;
  do {
    const { data, errors } = await ask(
      `query Page($after: String) { ${field}(first: ${PAGE}, after: $after${argumentsText}) { nodes { ${selection} } pageInfo { hasNextPage endCursor } } }`,
      { after });
    if (errors) throw new Error(errors[0].message);
    nodes.push(...data[field].nodes);
    after = data[field].pageInfo.hasNextPage ? data[field].pageInfo.endCursor : null;
  } while (after && nodes.length < 1000);
  return nodes;
}

async function load() {
  const { data } = await ask("{ journalCursor viewer { organization { name timeZone } } }");
  state.cursor = data.journalCursor;
  state.zone = data.viewer.organization.timeZone;
  $("#organization").textContent = data.viewer.organization.name;
  const from = new Date(Date.now() - 36e5 * 30).toISOString();
  const to = new Date(Date.now() + 36e5 * 30).toISOString();
  const [workOrders, technicians, appointments] = await Promise.all([
    pages("workOrders", WORK_ORDER, ", filter: { status: { in: [SUBMITTED, TRIAGED] } }"),
    pages("technicians", TECHNICIAN),
    pages("appointments", APPOINTMENT, `, filter: { startsAt: { gte: "${from}", lt: "${to}" } }`),
  ]);
  for (const [name, rows] of Object.entries({ workOrders, technicians, appointments })) {
    state[name] = new Map(rows.map((row) => [row.id, row]));
  }
}

function follow() {
  const subjects = [
    ["workOrderChanged", "workOrder", WORK_ORDER, state.workOrders],
    ["technicianChanged", "technician", TECHNICIAN, state.technicians],
    ["appointmentChanged", "appointment", APPOINTMENT, state.appointments],
  ];
  followPositions();
  for (const [field, noun, selection, rows] of subjects) {
    const variables = { after: state.cursor };
    client.subscribe({
      query: `subscription Follow($after: String) { ${field}(after: $after) { cursor at fact ${noun}Id ${noun} { ${selection} } } }`,
      variables,
    }, {
      next({ data, errors }) {
        if (errors?.some((one) => one.extensions?.code === "RESYNC_REQUIRED")) return start();
        const event = data?.[field];
        if (!event) return;
        variables.after = event.cursor; // a reconnect resumes here
        if (event[noun]) rows.set(event[`${noun}Id`], event[noun]); else rows.delete(event[`${noun}Id`]);
        tell(event, event[noun], noun);
        draw(event[`${noun}Id`]);
      },
      error(problem) { show(false, problem?.[0]?.message ?? "interrupted"); },
      complete() {},
    });
  }
}

function followPositions() {
  client.subscribe({ query: `subscription Positions { positionChanged { position { technician { id } ${POINT} } } }` }, {
    next({ data }) {
      const position = data?.positionChanged?.position;
      const technician = state.technicians.get(position?.technician?.id);
      if (!technician) return;
      technician.position = position;
      draw();
    },
    error() {},
    complete() {},
  });
}

function show(live, text) {
  const line = $("#as-of");
  line.classList.toggle("live", live);
  $(".text", line).textContent = text;
}

const words = (fact) => fact.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();

function tell(event, subject, noun) {
  const name = noun === "appointment" ? `${subject?.workOrder?.number ?? ""} ${subject?.workOrder?.customer?.name ?? ""}`
    : noun === "workOrder" ? `${subject?.number ?? ""} ${subject?.summary ?? ""}` : subject?.name ?? "";
  const line = make("li", {}, make("time", { datetime: event.at }, clock(event.at, true)), " ", make("strong", {}, words(event.fact)), ` ${name}`);
  const feed = $("#feed ol");
  feed.prepend(line);
  while (feed.children.length > 120) feed.lastChild.remove();
}

let wanted = null;
const changed = new Set();
function draw(id) {
  if (id) changed.add(id);
  wanted ??= requestAnimationFrame(() => { wanted = null; drawAll(); changed.clear(); });
}

const isToday = (visit) => visit.startsAt && new Intl.DateTimeFormat("en-CA", { timeZone: state.zone, dateStyle: "short" }).format(new Date(visit.startsAt)) === today();

function drawAll() {
  const waiting = [...state.workOrders.values()].filter((one) => one.status === "SUBMITTED" || one.status === "TRIAGED");
  const urgency = { EMERGENCY: 0, URGENT: 1, HIGH: 2, NORMAL: 3, LOW: 4 };
  waiting.sort((a, b) => urgency[a.priority] - urgency[b.priority] || a.number.localeCompare(b.number));
  const visits = [...state.appointments.values()].filter(isToday);
  drawFigures(waiting, visits);
  drawQueue(waiting);
  drawSchedule(visits);
  drawMap(visits);
}

function drawFigures(waiting, visits) {
  const count = (test) => visits.filter(test).length;
  const figures = [
    ["in the queue", waiting.length], ["visits today", count((v) => v.status !== "CANCELED")], ["under way", count((v) => BUSY.has(v.status))],
    ["completed", count((v) => v.status === "COMPLETED")],
  ];
  $("#figures").replaceChildren(...figures.map(([name, figure]) => make("div", {}, make("dd", {}, String(figure)), make("dt", {}, name))));
}

function drawQueue(waiting) {
  $("#queue .count").textContent = `· ${waiting.length}`;
  const lines = waiting.slice(0, 80).map((one) => make("li", changed.has(one.id) ? { class: "flash" } : {},
    make("span", { class: `tag ${one.priority}` }, one.priority.toLowerCase()), " ", make("strong", {}, one.number), ` ${one.summary}`,
    make("div", { class: "who" }, `${one.customer?.name ?? ""} · ${one.statusLabel}`)));
  $("#queue ol").replaceChildren(...(lines.length ? lines : [make("li", { class: "empty" }, "Nothing waits.")]));
}

function drawSchedule(visits) {
  const starts = visits.map((v) => Date.parse(v.startsAt)), ends = visits.map((v) => Date.parse(v.endsAt));
  const hour = 36e5;
  const from = Math.floor(Math.min(...starts, Date.now() - hour) / hour) * hour;
  const to = Math.ceil(Math.max(...ends, Date.now() + 2 * hour) / hour) * hour;
  const place = (moment) => `${((moment - from) / (to - from)) * 100}%`;
  const step = (to - from) / hour > 14 ? 2 : 1;
  $(".hours").replaceChildren(...Array.from({ length: Math.floor((to - from) / hour / step) }, (_, index) => from + (index * step + step / 2) * hour)
    .map((moment) => { const mark = make("span", {}, clock(moment - (step / 2) * hour)); mark.style.left = place(moment - (step / 2) * hour); return mark; }));
  const rows = [...state.technicians.values()].sort((a, b) => a.name.localeCompare(b.name)).map((technician) => {
    const lane = make("div", { class: "lane" });
    for (const visit of visits) {
      if (visit.status === "CANCELED" || !visit.assignments.nodes.some((one) => one.technician?.id === technician.id && ["PROPOSED", "ACCEPTED"].includes(one.status))) continue;
      const bar = make("div", { class: `visit ${visit.status}${changed.has(visit.id) ? " flash" : ""}`, tabindex: "0",
        title: `${visit.workOrder?.number} ${visit.workOrder?.summary}\n${visit.workOrder?.customer?.name ?? ""}, ${visit.site?.name ?? ""}\n${clock(visit.startsAt)}–${clock(visit.endsAt)} · ${visit.statusLabel}` },
      visit.workOrder?.customer?.name ?? "", make("small", {}, visit.statusLabel));
      bar.style.left = place(Date.parse(visit.startsAt));
      bar.style.width = `calc(${((Date.parse(visit.endsAt) - Date.parse(visit.startsAt)) / (to - from)) * 100}% - 2px)`;
      lane.append(bar);
    }
    const now = make("div", { class: "now" });
    now.style.left = place(Date.now());
    lane.append(now);
    return make("li", {}, make("div", { class: "who" }, technician.name, make("small", {}, technician.statusLabel)), lane);
  });
  $("#schedule .count").textContent = `· ${state.technicians.size} · ${visits.length}`;
  $(".rows").replaceChildren(...(rows.length ? rows : [make("li", { class: "empty" }, "There are no technicians yet.")]));
}

const dots = new Map();
let bounds = null;
function drawMap(visits) {
  const canvas = $("#map svg");
  const whereIs = (one) => one.position?.coordinates ?? one.home;
  const sites = new Map(visits.filter((v) => v.site?.coordinates).map((v) => [v.site.id, { ...v.site, ...v.site.coordinates, visit: v }]));
  const points = [...sites.values(), ...[...state.technicians.values()].map(whereIs).filter(Boolean)];
  if (!points.length) return;
  const latitudes = points.map((p) => p.latitude), longitudes = points.map((p) => p.longitude);
  const middle = (Math.min(...latitudes) + Math.max(...latitudes)) / 2;
  const shrink = Math.cos((middle * Math.PI) / 180);
  bounds = { west: Math.min(...longitudes), north: Math.max(...latitudes), scale: 90 / Math.max((Math.max(...longitudes) - Math.min(...longitudes)) * shrink, Math.max(...latitudes) - Math.min(...latitudes), 0.01), shrink };
  const at = (p) => [5 + (p.longitude - bounds.west) * bounds.shrink * bounds.scale, 5 + (bounds.north - p.latitude) * bounds.scale];
  canvas.setAttribute("viewBox", "0 0 100 100");
  const kept = [...dots.values()].map((dot) => dot.element);
  const marks = [];
  for (let line = 0; line <= 100; line += 10) marks.push(makeSvg("line", { class: "grid", x1: line, x2: line, y1: 0, y2: 100 }), makeSvg("line", { class: "grid", y1: line, y2: line, x1: 0, x2: 100 }));
  for (const site of sites.values()) {
    const [x, y] = at(site);
    const mark = makeSvg("circle", { class: `site ${BUSY.has(site.visit.status) ? "busy" : OVER.has(site.visit.status) ? "done" : ""}`, cx: x, cy: y, r: 0.8 });
    mark.append(makeSvg("title", {}, `${site.name} · ${site.visit.statusLabel}`));
    marks.push(mark);
  }
  for (const technician of state.technicians.values()) {
    const point = whereIs(technician);
    if (!point) continue;
    const [x, y] = at(point);
    if (!dots.has(technician.id)) {
      const element = makeSvg("g", { class: "technician" });
      element.append(makeSvg("circle", { r: 1.5, fill: technician.color ?? "#5b7fc7" }), makeSvg("text", { x: 2, y: 0.8 }, technician.name.split(" ")[0]));
      dots.set(technician.id, { element });
      kept.push(element);
    }
    dots.get(technician.id).element.setAttribute("style", `transform: translate(${x}px, ${y}px)`);
  }
  canvas.replaceChildren(...marks, ...kept);
}

async function start() {
  $("#sign-in").hidden = true;
  $("#board").hidden = false;
  $("#sign-out").hidden = false;
  client?.dispose();
  client = liveClient({
    connected: () => show(true, `live · as of ${clock(Date.now(), true)}`),
    closed: () => show(false, `reconnecting · as of ${clock(Date.now(), true)}`),
    pong: () => show(true, `live · as of ${clock(Date.now(), true)}`),
  });
  await load();
  drawAll();
  follow();
}

function askToSignIn(message = "") {
  $("#board").hidden = true;
  $("#sign-out").hidden = true;
  $("#sign-in").hidden = false;
  $("#sign-in output").textContent = message;
}

$("#sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(event.target));
  try { await signIn(email, password); await start(); } catch (problem) { askToSignIn(problem.message); }
});

$("#sign-out").addEventListener("click", () => { signOut(); client?.dispose(); askToSignIn(); show(false, "not connected"); });

setInterval(() => { if (!$("#board").hidden) draw(); }, 30_000);

try {
  await signInFromLink();
  if (stored()) await start(); else askToSignIn();
} catch (problem) {
  signOut();
  askToSignIn(problem.message);
}
