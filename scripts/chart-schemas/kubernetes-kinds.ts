import { closed, fileName, type JsonSchema, mapSchema, mapValues, ofKind, stringOrNumber } from './json-schema.ts';

/** What is used of `api/openapi-spec/swagger.json`. */
export interface OpenApi {
  readonly definitions: Readonly<Record<string, JsonSchema>>;
}

const objectMeta = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const scalars: Readonly<Record<string, JsonSchema>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': stringOrNumber,
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { anyOf: [{ type: 'string' }, { type: 'integer' }] },
};

/** The definitions of Kubernetes, with unknown properties refused. */
export function strictDefinitions({ definitions }: OpenApi): Readonly<Record<string, JsonSchema>> {
  const strict = mapValues(definitions, (schema) => mapSchema(schema, closed));
  return { ...strict, ...scalars };
}

/** A schema of each kind in each version, by the name of its file. None refers to another file. */
export function kubernetesKinds(openApi: OpenApi): ReadonlyMap<string, JsonSchema> {
  const definitions = strictDefinitions(openApi);
  const schemas = new Map<string, JsonSchema>();
  for (const definition of Object.values(definitions)) {
    const [kind, ...others] = definition['x-kubernetes-group-version-kind'] ?? [];
    // Kinds with many versions are those of no object, such as DeleteOptions.
    if (kind === undefined || others.length > 0 || definition.properties?.['metadata'] === undefined) continue;
    schemas.set(fileName(kind), withDefinitions(ofKind(definition, kind), definitions));
  }
  return schemas;
}

/** The schema of `metadata`, for kinds whose own schema says nothing of it. */
export function metadataSchema(definitions: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const schema = definitions[objectMeta];
  if (schema === undefined) throw new Error(`the description of Kubernetes has no ${objectMeta}`);
  return withDefinitions(schema, definitions);
}

/** Adds the definitions that a schema refers to, directly and through others. */
function withDefinitions(schema: JsonSchema, all: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const definitions: Record<string, JsonSchema> = {};
  const collect = (part: JsonSchema): JsonSchema => {
    const name = part.$ref?.replace('#/definitions/', '');
    if (name === undefined || name in definitions) return part;
    const definition = all[name];
    if (definition === undefined) throw new Error(`the description of Kubernetes has no ${name}`);
    definitions[name] = definition;
    mapSchema(definition, collect);
    return part;
  };
  mapSchema(schema, collect);
  return { ...schema, definitions };
}
