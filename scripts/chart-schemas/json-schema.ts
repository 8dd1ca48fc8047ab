/** The part of JSON Schema that Kubernetes' descriptions of its kinds use. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly definitions?: Readonly<Record<string, JsonSchema>>;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-group-version-kind'?: readonly GroupVersionKind[];
}

/** A kind in a version of its API. */
export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** A string or a number, such as the quantity `0.5` or the port `http`. */
export const stringOrNumber: JsonSchema = { anyOf: [{ type: 'string' }, { type: 'number' }] };

/** A schema with the parts that `change` returns for its parts; those are changed already. */
export function mapSchema(schema: JsonSchema, change: (schema: JsonSchema) => JsonSchema): JsonSchema {
  const each = (part: JsonSchema): JsonSchema => mapSchema(part, change);
  const { properties, additionalProperties, items, anyOf } = schema;
  return change({
    ...schema,
    ...(properties && { properties: mapValues(properties, each) }),
    ...(typeof additionalProperties === 'object' && { additionalProperties: each(additionalProperties) }),
    ...(items && { items: each(items) }),
    ...(anyOf && { anyOf: anyOf.map(each) }),
  });
}

/** Refuses unknown properties, unless the schema describes additional ones or preserves them. */
export function closed(schema: JsonSchema): JsonSchema {
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] === true || schema.additionalProperties !== undefined;
  return schema.properties === undefined || isOpen ? schema : { ...schema, additionalProperties: false };
}

/** The schema of a whole object, which names its kind. */
export function ofKind(schema: JsonSchema, { group, version, kind }: GroupVersionKind): JsonSchema {
  const apiVersion = group === '' ? version : `${group}/${version}`;
  const properties = { ...schema.properties, apiVersion: { enum: [apiVersion] }, kind: { enum: [kind] } };
  return { ...schema, properties, required: [...new Set(['apiVersion', 'kind', ...(schema.required ?? [])])] };
}

/** The name of a schema's file, as kubeconform asks for it. */
export function fileName({ group, version, kind }: GroupVersionKind): string {
  const parts = [kind, ...(group === '' ? [] : [group.split('.')[0] ?? '']), version];
  return `${parts.join('-').toLowerCase()}.json`;
}

export function mapValues<T, R>(record: Readonly<Record<string, T>>, change: (value: T) => R): Record<string, R> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
