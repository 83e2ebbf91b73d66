// What a careful hand writes for the peers that bring no SQL of their own: a schema, one prepared statement for each
// work, and rows made into objects by position. Usage of every peer: node peer.mjs DATABASE_URL PORT ORGANIZATION
export const [url, port, organization] = [process.argv[2], Number(process.argv[3]), process.argv[4]];

export const typeDefs = `
  type Customer { id: ID! name: String! accountNumber: String! }
  type Site { id: ID! name: String! city: String }
  type Equipment { id: ID! name: String! serialNumber: String }
  type WorkOrder {
    id: ID! number: String! status: String! priority: String! channel: String! category: String summary: String!
    description: String! submittedAt: String! dueAt: String durationMinutes: Int! version: Int!
    customer: Customer! site: Site! equipment: Equipment
  }
  type Task { id: ID! number: String! summary: String! priority: String! }
  type Visit { id: ID! number: Int! status: String! startsAt: String endsAt: String workOrder: Task! }
  type VisitedSite { id: ID! name: String! city: String appointments: [Visit!]! }
  type Account { id: ID! name: String! accountNumber: String! sites: [VisitedSite!]! }
  type Query {
    workOrders(first: Int!): [WorkOrder!]!
    dueWorkOrders(first: Int!, status: String!): [WorkOrder!]!
    workOrder(id: ID!): WorkOrder
    customer(id: ID!): Account
  }
`;

const WORK = `
  SELECT w.id, w.number, w.status, w.priority, w.channel, w.category, w.summary, w.description, w.submitted_at, w.due_at,
    w.duration_minutes, w.version, c.id, c.name, c.account_number, s.id, s.name, s.city, e.id, e.name, e.serial_number
  FROM work_order w
  JOIN customer c ON c.id = w.customer_id JOIN site s ON s.id = w.site_id LEFT JOIN equipment e ON e.id = w.equipment_id
  WHERE w.organization_id = $1`;

const DEEP = {
  postgres: `
    SELECT json_build_object('id', c.id, 'name', c.name, 'accountNumber', c.account_number, 'sites', (
      SELECT coalesce(json_agg(json_build_object('id', s.id, 'name', s.name, 'city', s.city, 'appointments', (
        SELECT coalesce(json_agg(json_build_object('id', a.id, 'number', a.number, 'status', a.status,
          'startsAt', a.starts_at, 'endsAt', a.ends_at, 'workOrder',
          json_build_object('id', w.id, 'number', w.number, 'summary', w.summary, 'priority', w.priority))), '[]'::json)
        FROM (SELECT * FROM appointment WHERE organization_id = $1 AND site_id = s.id ORDER BY starts_at, id LIMIT 10) a
        JOIN work_order w ON w.id = a.work_order_id))), '[]'::json)
      FROM (SELECT * FROM site WHERE organization_id = $1 AND customer_id = c.id ORDER BY name, id LIMIT 10) s))
    FROM customer c WHERE c.organization_id = $1 AND c.id = $2`,
  sqlite: `
    SELECT json_object('id', c.id, 'name', c.name, 'accountNumber', c.account_number, 'sites', (
      SELECT json_group_array(json_object('id', s.id, 'name', s.name, 'city', s.city, 'appointments', (
        SELECT json_group_array(json_object('id', a.id, 'number', a.number, 'status', a.status,
          'startsAt', a.starts_at, 'endsAt', a.ends_at, 'workOrder',
          json_object('id', w.id, 'number', w.number, 'summary', w.summary, 'priority', w.priority)))
        FROM (SELECT * FROM appointment WHERE organization_id = $1 AND site_id = s.id ORDER BY starts_at, id LIMIT 10) a
        JOIN work_order w ON w.id = a.work_order_id)))
      FROM (SELECT * FROM site WHERE organization_id = $1 AND customer_id = c.id ORDER BY name, id LIMIT 10) s))
    FROM customer c WHERE c.organization_id = $1 AND c.id = $2`,
};

export const statements = {
  list: `${WORK} ORDER BY w.submitted_at DESC, w.id DESC LIMIT $2`,
  due: `${WORK} AND w.status = $2 ORDER BY w.due_at NULLS LAST, w.id LIMIT $3`,
  one: `${WORK} AND w.id = $2`,
};

const workOrder = (row) => ({
  id: row[0], number: row[1], status: row[2], priority: row[3], channel: row[4], category: row[5], summary: row[6],
  description: row[7], submittedAt: row[8], dueAt: row[9], durationMinutes: row[10], version: row[11],
  customer: { id: row[12], name: row[13], accountNumber: row[14] },
  site: { id: row[15], name: row[16], city: row[17] },
  equipment: row[18] === null ? null : { id: row[18], name: row[19], serialNumber: row[20] },
});

// `read(name, sql, values)` gives rows as arrays, or a promise of them.
export function resolversOver(read, dialect) {
  const list = (rows) => rows.map(workOrder);
  const first = (rows) => (rows.length ? workOrder(rows[0]) : null);
  const tree = (rows) => {
    const found = rows.length ? rows[0][0] : null;
    return typeof found === "string" ? JSON.parse(found) : found;
  };
  const then = (rows, make) => (rows instanceof Promise ? rows.then(make) : make(rows));
  return {
    workOrders: ({ first }) => then(read("list", statements.list, [organization, first]), list),
    dueWorkOrders: ({ first, status }) => then(read("due", statements.due, [organization, status, first]), list),
    workOrder: ({ id }) => then(read("one", statements.one, [organization, id]), first),
    customer: ({ id }) => then(read("deep", DEEP[dialect], [organization, id]), tree),
  };
}

// Moments stay text, put in the form of ISO 8601, instead of becoming a Date that becomes text again.
export async function readerOfPostgres() {
  const { default: pg } = await import("pg");
  pg.types.setTypeParser(1184, (text) => `${text.slice(0, 10)}T${text.slice(11)}:00`);
  const pool = new pg.Pool({ connectionString: url, min: 10, max: 10, idleTimeoutMillis: 0 });
  return async (name, text, values) => (await pool.query({ name, text, values, rowMode: "array" })).rows;
}

export async function readerOfSqlite() {
  const { default: Database } = await import("better-sqlite3");
  const database = new Database(url.replace("sqlite:///", ""), { readonly: true });
  const prepared = new Map();
  const prepare = (text) => {
    const order = [];
    const plain = text.replaceAll(/\$(\d)/g, (_, number) => (order.push(number - 1), "?"));
    return { statement: database.prepare(plain).raw(), order };
  };
  return (name, text, values) => {
    if (!prepared.has(name)) prepared.set(name, prepare(text));
    const { statement, order } = prepared.get(name);
    return statement.all(order.map((at) => values[at]));
  };
}

export async function reader() {
  return url.startsWith("sqlite")
    ? resolversOver(await readerOfSqlite(), "sqlite")
    : resolversOver(await readerOfPostgres(), "postgres");
}
