import * as v from 'valibot';

import { InvalidSpecError } from '../errors/caller.ts';

/**
 * A schema for each field of a type. A new field of the type is a compile error where its shape
 * lacks it.
 */
export type FieldsOf<T> = Readonly<Record<keyof T, v.GenericSchema>>;

/**
 * Checks the shape of a value from a caller without types. Does not change the value.
 *
 * @param parameter - the name of the value in errors about the whole value
 * @throws InvalidSpecError - names the first field that is missing or has another type, and never
 *   contains its value
 */
export function checkShape(parameter: string, shape: v.GenericSchema, value: unknown): void {
  const { issues } = v.safeParse(shape, value, { abortEarly: true });
  const issue = issues?.[0];
  if (issue === undefined) return;
  if (issue.type === 'strict_object' && issue.expected === 'never')
    throw new InvalidSpecError(fieldOf(issue.path) ?? parameter, 'is not supported');
  const wrong: unknown = issue.path === undefined ? issue.input : issue.path.at(-1)?.value;
  throw new InvalidSpecError(
    fieldOf(issue.path) ?? parameter,
    wrong === undefined ? 'is missing' : `is not ${describe(issue)}`,
  );
}

/** Converts a path to a field: `['inputs', 0, 'path']` to `inputs[0].path`. */
function fieldOf(path: readonly { readonly key: unknown }[] | undefined): string | undefined {
  return path?.reduce((field, { key }) => {
    if (typeof key === 'number') return `${field}[${key}]`;
    return field === '' ? String(key) : `${field}.${String(key)}`;
  }, '');
}

const nouns: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  number: 'a number',
  object: 'an object',
  record: 'an object',
  strict_object: 'an object',
  string: 'a string',
};

/**
 * Returns a description of the expected type. The library's own shapes have it as their message.
 * Valibot's message would quote the value.
 */
function describe({ type, message, expected }: v.BaseIssue<unknown>): string {
  return nouns[type] ?? (type === 'picklist' ? `one of ${expected ?? ''}` : message);
}
