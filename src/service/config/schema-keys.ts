import { z } from 'zod';

import { configSchema } from './config.ts';
import type { KeyEntry, KeyType } from './key-entry.ts';
import { flagOf, variableOf } from './key-names.ts';
import type { KeyFacts } from './section.ts';

/** A key of the schema. */
export interface SchemaKey extends KeyEntry {
  readonly schema: z.ZodType;
  readonly facts: KeyFacts;
  /** Whether the key must have a value if its section exists. */
  readonly required: boolean;
  readonly default: unknown;
}

/** All keys, in the order of the schema. */
export const schemaKeys: readonly SchemaKey[] = keysOf(configSchema, '');

function keysOf(schema: z.ZodType, path: string): readonly SchemaKey[] {
  const inner = unwrapped(schema);
  if (!(inner instanceof z.ZodObject) || schema.meta()?.['secret'] !== undefined) return [keyOf(schema, path)];
  return Object.entries(inner.shape).flatMap(([name, field]) =>
    keysOf(field as z.ZodType, path === '' ? name : `${path}.${name}`),
  );
}

function keyOf(schema: z.ZodType, path: string): SchemaKey {
  const facts = schema.meta() as KeyFacts | undefined;
  if (facts === undefined) throw new Error(`the key ${path} has no description`);
  const inner = unwrapped(schema);
  return {
    path,
    env: variableOf(path),
    flag: flagOf(path),
    type: typeOf(inner),
    ...(inner instanceof z.ZodEnum && { choices: inner.options.map(String) }),
    secret: facts.secret ?? false,
    reload: facts.reload ?? 'restart',
    summary: facts.description.replace(/\. .*$/s, '.'),
    schema,
    facts,
    required: facts.mandatory ?? false,
    default: schema instanceof z.ZodDefault ? schema.parse(undefined) : undefined,
  };
}

/** Returns the schema without its default and its optionality. */
export function unwrapped(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional)
    return unwrapped(schema.unwrap() as z.ZodType);
  return schema;
}

function typeOf(schema: z.ZodType): KeyType {
  if (schema instanceof z.ZodString) return 'text';
  if (schema instanceof z.ZodNumber) return 'integer';
  if (schema instanceof z.ZodBoolean) return 'boolean';
  if (schema instanceof z.ZodEnum) return 'choice';
  if (schema instanceof z.ZodArray) return 'list';
  if (schema instanceof z.ZodUnion) return 'text or list';
  return 'object';
}

/** Returns the names that the schema has in a section, or in an element of a list. */
export function namesIn(parts: readonly (string | number)[]): readonly string[] {
  const schema = parts.reduce<z.ZodType>((parent, part) => {
    const inner = unwrapped(parent);
    if (inner instanceof z.ZodArray) return inner.element as z.ZodType;
    return inner instanceof z.ZodObject ? ((inner.shape[part] as z.ZodType | undefined) ?? z.never()) : z.never();
  }, configSchema);
  const inner = unwrapped(schema);
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}
