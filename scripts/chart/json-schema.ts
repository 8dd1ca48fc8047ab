/** A schema in JSON Schema, draft 7. */
export type Schema = Readonly<Record<string, unknown>>;

export const text: Schema = { type: 'string' };
export const boolean: Schema = { type: 'boolean' };
export const someText: Schema = { type: 'string', minLength: 1 };
/** Labels, annotations and the like. */
export const texts: Schema = { type: 'object', additionalProperties: text };
/** An object of Kubernetes whose fields the API server checks. */
export const anyObject: Schema = { type: 'object' };
/** A quantity of Kubernetes. */
export const quantity: Schema = {
  type: ['string', 'number'],
  pattern: '^[0-9]+([.][0-9]+)?([eE][0-9]+|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$',
};
export const port: Schema = integer(1, 65_535);

export function integer(minimum: number, maximum?: number): Schema {
  return { type: 'integer', minimum, ...(maximum !== undefined && { maximum }) };
}

export function oneOf(...values: readonly string[]): Schema {
  return { type: 'string', enum: values };
}

export function listOf(items: Schema): Schema {
  return { type: 'array', items };
}

/** Returns the schema of an object with these fields and no others. */
export function closed(properties: Readonly<Record<string, Schema>>, ...required: readonly string[]): Schema {
  return { type: 'object', properties, ...(required.length > 0 && { required }), additionalProperties: false };
}
