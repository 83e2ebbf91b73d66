// graphql-ws on ws and Node's own HTTP server, with an event emitter beneath. What is posted to /publish is emitted, each
// event for itself. Usage: node live_graphql_ws.mjs PORT
import { EventEmitter, on } from "node:events";
import { createServer } from "node:http";
import { buildSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

const schema = buildSchema(`
  type WorkOrder { number: String! summary: String! priority: String! }
  type Site { name: String! city: String! }
  type Appointment {
    status: String! statusLabel: String! startsAt: String! endsAt: String! durationMinutes: Int!
    workOrder: WorkOrder! site: Site!
  }
  type AppointmentEvent { cursor: String! at: String! fact: String! appointmentId: ID! appointment: Appointment! }
  type Query { ok: Boolean! }
  type Subscription { appointmentChanged: AppointmentEvent! }
`);
const news = new EventEmitter();
news.setMaxListeners(0);
const field = schema.getSubscriptionType().getFields().appointmentChanged;
field.subscribe = () => on(news, "changed");
field.resolve = ([event]) => event;

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    for (const event of JSON.parse(Buffer.concat(parts))) news.emit("changed", event);
    response.writeHead(204).end();
  });
});
useServer({ schema }, new WebSocketServer({ server, path: "/graphql" }));
server.listen(Number(process.argv[2]), "127.0.0.1", 2048);
