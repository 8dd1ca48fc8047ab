// Makes the schemas that kubeconform compares the chart's objects with, unless they are made, and
// prints their folder. They come from Kubernetes' own description of its API and from the
// CustomResourceDefinitions of others, all in modules of Go. Needs Go.
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { customKinds } from './chart-schemas/custom-kinds.ts';
import { customResourceManifests } from './chart-schemas/custom-resources.ts';
import { type GoModule, moduleFolder } from './chart-schemas/go-module.ts';
import type { JsonSchema } from './chart-schemas/json-schema.ts';
import { kubernetesKinds, metadataSchema, type OpenApi, strictDefinitions } from './chart-schemas/kubernetes-kinds.ts';

const kubernetes: GoModule = {
  path: 'k8s.io/kubernetes',
  version: 'v1.34.4',
  sum: 'h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk=',
};

function makeSchemas(): ReadonlyMap<string, JsonSchema> {
  const swagger = readFileSync(join(moduleFolder(kubernetes), 'api/openapi-spec/swagger.json'), 'utf8');
  const openApi = JSON.parse(swagger) as OpenApi;
  const metadata = metadataSchema(strictDefinitions(openApi));
  const ofOthers = customResourceManifests().flatMap((manifest) => [...customKinds(manifest, metadata)]);
  return new Map([...kubernetesKinds(openApi), ...ofOthers]);
}

/** The digest of what the schemas are made by and from. */
function digest(): string {
  const sources = fileURLToPath(new URL('chart-schemas', import.meta.url));
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)));
  for (const file of readdirSync(sources).sort()) hash.update(readFileSync(join(sources, file)));
  return hash.digest('hex').slice(0, 12);
}

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'kubernetes-worker');
const folder = join(cache, `chart-schemas-${digest()}`);
if (!existsSync(folder)) {
  mkdirSync(dirname(folder), { recursive: true });
  const unfinished = mkdtempSync(`${folder}.`);
  for (const [name, schema] of makeSchemas()) writeFileSync(join(unfinished, name), JSON.stringify(schema));
  // Another process may have been faster.
  if (existsSync(folder)) rmSync(unfinished, { recursive: true });
  else renameSync(unfinished, folder);
}
console.log(folder);
