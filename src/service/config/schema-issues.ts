import type { z } from 'zod';

import { describeType } from './describe-type.ts';
import type { SchemaKey } from './schema-keys.ts';
import { nearest } from './suggestion.ts';

/** A part of a path: the name of a field, or the index of an element. */
export type PathPart = string | number;

/** A problem that the schema has found in a value. */
export interface SchemaIssue {
  readonly parts: readonly PathPart[];
  readonly problem: string;
  /** Whether the problem is the name of the field, and not its value. */
  readonly isName: boolean;
}

/** Returns a path in the form of messages: `images.policy.rules[0].name`. */
export function formatPath(parts: readonly PathPart[]): string {
  return parts.reduce<string>((path, part) => {
    if (typeof part === 'number') return `${path}[${part}]`;
    const name = /^[\w./-]{1,100}$/.test(part) ? part : JSON.stringify(part.slice(0, 100));
    return path === '' ? name : `${path}.${name}`;
  }, '');
}

/** What messages need beside the errors of the schema. */
export interface IssueContext {
  readonly keys: readonly SchemaKey[];
  /** Returns the names that the schema has in a section or in an element of a list. */
  readonly namesIn: (parts: readonly PathPart[]) => readonly string[];
  /** Returns the value at a path. */
  readonly valueAt: (parts: readonly PathPart[]) => unknown;
}

/** Returns the problems of a value, each with what is expected and never with the value. */
export function schemaIssues({ issues }: z.ZodError, context: IssueContext): readonly SchemaIssue[] {
  return issues.flatMap((issue): readonly SchemaIssue[] => {
    const parts = issue.path.map((part) => (typeof part === 'symbol' ? '' : part));
    if (issue.code !== 'unrecognized_keys')
      return [{ parts, problem: problemOf(issue, parts, context), isName: false }];
    const names = context.namesIn(parts);
    return issue.keys.map((name) => ({ parts: [...parts, name], problem: unknownKey(name, names), isName: true }));
  });
}

/** Returns the problem of an unknown name, with the known one that is probably meant. */
export function unknownKey(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant === undefined ? 'unknown key' : `unknown key; did you mean ${JSON.stringify(meant)}?`;
}

function problemOf(issue: z.core.$ZodIssue, parts: readonly PathPart[], context: IssueContext): string {
  const value = context.valueAt(parts);
  if (value === undefined) return 'is missing';
  const path = formatPath(parts);
  const key = context.keys.find((candidate) => candidate.path === path);
  const expected = key === undefined ? elementOf(issue) : describeType(key.schema);
  return value === null ? `has no value: remove it, or give it ${expected}` : `is not ${expected}`;
}

/** Returns what is expected of a section, or of a value inside a list or an object. */
function elementOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeNames[issue.expected] ?? 'of the expected type';
    case 'invalid_value':
      return `one of ${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'too_small':
      return issue.origin === 'string' ? 'a text that is not empty' : `${issue.minimum} or more`;
    case 'too_big':
      return `${issue.maximum} or less`;
    default:
      return 'of the expected type';
  }
}

const typeNames: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'an integer',
  number: 'an integer',
  object: 'an object',
  record: 'an object',
  string: 'a text',
};
