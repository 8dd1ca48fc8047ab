import type { ChartValue } from './chart-values.ts';
import { boolean, closed, integer, type Schema, text } from './json-schema.ts';

/** What the schema needs beside the values. */
export interface SchemaSources {
  /** The types of values that their defaults do not show, by their path. */
  readonly types: Readonly<Record<string, Schema>>;
  /** The schema of the configuration, which is that of the value `config`. */
  readonly config: Schema;
}

const draft = 'http://json-schema.org/draft-07/schema#';

/**
 * Returns the JSON Schema of the values. It refuses every key that the file of values does not have.
 *
 * @throws if the type of a value is not known, or if a type is that of no value
 */
export function valuesSchema(values: readonly ChartValue[], { types, config }: SchemaSources): Schema {
  const unused = new Set(Object.keys(types));
  const typeOf = (value: ChartValue): Schema => {
    unused.delete(value.path);
    const { path, description, children } = value;
    if (path === 'config') return { ...asValue(config), description };
    const type = types[path] ?? (children.length > 0 ? closed(fieldsOf(children)) : inferred(value));
    return { description, ...type };
  };
  const fieldsOf = (of: readonly ChartValue[]): Readonly<Record<string, Schema>> =>
    Object.fromEntries(of.map((value) => [value.name, typeOf(value)]));
  const properties = fieldsOf(values);
  if (unused.size > 0) throw new Error(`no such value of the chart: ${[...unused].join(', ')}`);
  const global: Schema = {
    description: 'Set by Helm where the chart is part of another one. Not used.',
    type: 'object',
  };
  return { $schema: draft, title: 'Values of the chart kubernetes-worker', ...closed({ ...properties, global }) };
}

/** @throws if the default does not show the type */
function inferred({ path, default: value }: ChartValue): Schema {
  if (typeof value === 'string') return text;
  if (typeof value === 'boolean') return boolean;
  if (typeof value === 'number') return integer(0);
  throw new Error(`the type of ${path} is not known: add it to scripts/chart/value-types.ts`);
}

/** Returns the schema of the configuration without what Helm does not read. */
function asValue(schema: Schema): Schema {
  const { $schema: _draft, title: _title, ...rest } = schema;
  return Object.fromEntries(
    Object.entries(rest).map(([keyword, value]) => [keyword, withoutExtensionsIn(keyword, value)]),
  );
}

/** Removes keywords that are none of JSON Schema, and examples. Names of properties are no keywords. */
function withoutExtensions(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutExtensions);
  if (!isObject(schema)) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([keyword]) => !keyword.startsWith('x-') && keyword !== 'examples')
      .map(([keyword, value]) => [keyword, withoutExtensionsIn(keyword, value)]),
  );
}

function withoutExtensionsIn(keyword: string, value: unknown): unknown {
  if (keyword === 'default' || keyword === 'const' || keyword === 'enum') return value;
  if (keyword !== 'properties' || !isObject(value)) return withoutExtensions(value);
  return Object.fromEntries(Object.entries(value).map(([name, schema]) => [name, withoutExtensions(schema)]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
