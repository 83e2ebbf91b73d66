// graphql-inspector: the running server is the committed schema, and documents fit it.
// Usage: node inspector.mjs URL TOKEN DOCUMENTS — a GraphQL file of documents, which may repeat names.
import { readFileSync } from "node:fs";
import { diff, validate } from "@graphql-inspector/core";
import { Source, buildClientSchema, buildSchema, getIntrospectionQuery, printSchema } from "graphql";
import { sdl } from "./common.mjs";

const [url, token, documents] = process.argv.slice(2);
const query = getIntrospectionQuery({
  descriptions: true, schemaDescription: true, specifiedByUrl: true, directiveIsRepeatable: true, inputValueDeprecation: true, oneOf: true,
});
const response = await fetch(`${url}/graphql`, {
  method: "POST",
  headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
  body: JSON.stringify({ query }),
});
const { data, errors } = await response.json();
if (errors) throw new Error(JSON.stringify(errors));

const committed = buildSchema(sdl);
const live = buildSchema(printSchema(buildClientSchema(data))); // with @specifiedBy and @deprecated as directives again
const broken = buildSchema(sdl.replace(/^  accountNumber: String!$/m, "  renamed: String!").replace("enum SlaTier {", "enum SlaTier {\n  ZINC"));
const told = (changes) => changes.map(({ type, path, criticality }) => [type, path, criticality.level]);
const sources = JSON.parse(readFileSync(documents, "utf8")).map((text, index) => new Source(text, `document ${index}`));
const complaints = (from) =>
  validate(live, from).flatMap(({ source, errors, deprecated }) => [...errors, ...deprecated].map((one) => `${source.name}: ${one.message}`));

console.log(JSON.stringify({
  toLive: told(await diff(committed, live)),
  toCommitted: told(await diff(live, committed)),
  control: told(await diff(committed, broken)),
  documents: sources.length,
  complaints: complaints(sources),
  complaintsOfControl: complaints([new Source("{ viewer { nothing } }", "control")]).length,
}));
