// A small app in strict TypeScript over what graphql-codegen makes. Usage: node program.js URL TOKEN WORK_ORDER_ID
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import { useFragment, type FragmentType } from "./gql/index.js";
import { BoardDocument, RaiseDocument, RowFragmentDoc } from "./gql/graphql.js";
import type { Priority, RaiseMutation, UpdateWorkOrderInput } from "./gql/graphql.js";

declare const process: { argv: string[] };
const [url, token, id] = process.argv.slice(2) as [string, string, string];

async function ask<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
  const response = await fetch(`${url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: print(document), variables }),
  });
  const { data, errors } = (await response.json()) as { data?: Data; errors?: { message: string }[] };
  if (!data) throw new Error(errors?.[0]?.message);
  return data;
}

type Problem = NonNullable<RaiseMutation["updateWorkOrder"]>["errors"][number];

/** Every kind of problem: one that is added to the schema does not compile before somebody has thought of it here. */
function advice(problem: Problem): string {
  switch (problem.__typename) {
    case "StaleVersion":
      return `read again: ${problem.expected} is ${problem.actual} by now`;
    case "IllegalTransition":
      return `possible from ${problem.state}: ${problem.allowed.join(", ")}`;
    case "NotPermitted":
      return `ask for ${problem.permission}`;
    case "InvalidInput":
      return `correct ${problem.path.join(".")}`;
    // The test writes a case for each of the others here.
      return problem.message;
    default:
      return problem satisfies never;
  }
}

const COLORS: Record<Priority, string> = { LOW: "gray", NORMAL: "blue", HIGH: "amber", URGENT: "orange", EMERGENCY: "red" };

/** What is null to the reader must be said so here: a limit that one may not see, a place that is not known. */
function line(row: FragmentType<typeof RowFragmentDoc>): string {
  const { summary, priority, customer, site, dueAt } = useFragment(RowFragmentDoc, row);
  const limit: string = customer?.creditLimit ?? "none";
  const latitude: number | undefined = site?.coordinates?.latitude;
  return [summary, COLORS[priority], customer?.name, limit, latitude, dueAt && new Date(dueAt).getUTCFullYear()].join(" | ");
}

const found = await ask(BoardDocument, { first: 2, filter: { summary: { startsWith: "Boiler" } } });
const input: UpdateWorkOrderInput = { id, priority: "HIGH", externalId: null }; // null clears, and what is left out stays
const raised = (await ask(RaiseDocument, { input })).updateWorkOrder;
const stale = (await ask(RaiseDocument, { input: { ...input, priority: "LOW", version: 1 } })).updateWorkOrder;
console.log(JSON.stringify({
  total: found.workOrders.totalCount,
  lines: found.workOrders.nodes.map(line),
  raised: raised?.workOrder?.priority,
  advice: stale?.errors.map(advice),
}));

// What a strict program is not allowed to do. Each line is a mistake that the compiler must see.
// @ts-expect-error  a value that the enum does not have
const shade: string = COLORS["SOON"];
// @ts-expect-error  a required field is missing
const incomplete: UpdateWorkOrderInput = { priority: "HIGH" };
// @ts-expect-error  a filter that the schema does not have
void (() => ask(BoardDocument, { first: 2, filter: { sumary: { eq: "" } } }));
// @ts-expect-error  a variable of the wrong type
void (() => ask(BoardDocument, { first: "2" }));
// @ts-expect-error  what may be null is used as if it could not
raised.workOrder.priority;
