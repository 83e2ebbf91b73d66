// graphql-codegen over the committed schema: the schema's types, those of many documents, and the client preset for one app.
// Usage: node codegen.mjs FOLDER DOCUMENTS APP — writes schema.ts, operations.ts and gql/; both documents are GraphQL files.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { codegen } from "@graphql-codegen/core";
import { preset } from "@graphql-codegen/client-preset";
import * as typescript from "@graphql-codegen/typescript";
import * as operations from "@graphql-codegen/typescript-operations";
import { parse } from "graphql";
import { sdl } from "./common.mjs";

const [folder, documents, app] = process.argv.slice(2);
const schema = parse(sdl);
const config = {
  strictScalars: true,
  emitLegacyCommonJSImports: false,
  scalars: { ID: "string", DateTime: "string", Date: "string", Decimal: "string", Duration: "string", JSON: "unknown" },
};
const read = (path) => {
  const rawSDL = readFileSync(path, "utf8");
  return [{ location: path, rawSDL, document: parse(rawSDL) }];
};
const outputs = [
  { filename: "schema.ts", plugins: [{ typescript: {} }], pluginMap: { typescript }, documents: [] },
  { filename: "operations.ts", plugins: [{ operations: {} }], pluginMap: { operations }, documents: read(documents) },
  ...await preset.buildGeneratesSection({
    baseOutputDir: "gql/", schema, documents: read(app), config, plugins: [], pluginMap: {}, presetConfig: {},
  }),
];
for (const output of outputs) {
  const path = join(folder, output.filename);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, await codegen({ schema, config, ...output, config: { ...config, ...output.config } }));
}
console.log(JSON.stringify(outputs.map(({ filename }) => filename).sort()));
