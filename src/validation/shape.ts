import * as v from 'valibot';

import { InvalidSpecError } from '../errors/caller.ts';

/** A schema for each field of a type: a field that a contract gains is a compile error here. */
export type FieldsOf<T> = Readonly<Record<keyof T, v.GenericSchema>>;

/**
 * Checks the shape of a value that a caller without types passes. The value itself stays as it is.
 *
 * @param parameter - names the value in the error where all of it is missing or wrong
 * @throws InvalidSpecError - names the first field that is missing or of another type, and never its value
 */
export function checkShape(parameter: string, shape: v.GenericSchema, value: unknown): void {
  const { issues } = v.safeParse(shape, value, { abortEarly: true });
  const issue = issues?.[0];
  if (issue === undefined) return;
  const wrong: unknown = issue.path === undefined ? issue.input : issue.path.at(-1)?.value;
  throw new InvalidSpecError(
    fieldOf(issue.path) ?? parameter,
    wrong === undefined ? 'is missing' : `is not ${describe(issue)}`,
  );
}

/** `['inputs', 0, 'path']` is `inputs[0].path`. */
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
  string: 'a string',
};

/** The library's own shapes have a noun as their message; valibot's message would quote the value. */
function describe({ type, message, expected }: v.BaseIssue<unknown>): string {
  return nouns[type] ?? (type === 'picklist' ? `one of ${expected ?? ''}` : message);
}
