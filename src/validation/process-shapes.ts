import * as v from 'valibot';

import type { AttachOptions, ProcessIO, ProcessSpec, RunOptions, WaitOptions, WindowSize } from '../runtime/process.ts';
import type { ProcessQuery } from '../runtime/process-query.ts';
import {
  optionalBoolean,
  optionalFunction,
  optionalNumber,
  optionalSignal,
  optionalText,
  optionalTexts,
  readable,
  text,
  writable,
} from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const windowSize: v.GenericSchema = v.object({
  columns: v.number(),
  rows: v.number(),
} satisfies FieldsOf<WindowSize>);

export const processSpec: v.GenericSchema = v.object({
  id: optionalText,
  path: text,
  args: optionalTexts,
  env: optionalTexts,
  dir: optionalText,
  user: optionalText,
  tty: v.optional(v.object({ windowSize: v.optional(windowSize) })),
  hijack: optionalBoolean,
} satisfies FieldsOf<ProcessSpec>);

export const processIO: v.GenericSchema = v.object({
  stdin: v.optional(readable),
  stdout: v.optional(writable),
  stderr: v.optional(writable),
  output: optionalFunction,
  sidecars: v.optional(v.record(v.string(), writable)),
} satisfies FieldsOf<ProcessIO>);

/**
 * A misspelt field is refused, because without the intended field the query would match more than
 * the caller expects.
 */
export const processQuery: v.GenericSchema = v.strictObject({
  containerHandle: optionalText,
  ownerKind: optionalText,
  after: optionalText,
  limit: optionalNumber,
} satisfies FieldsOf<ProcessQuery>);

const position = v.custom(
  (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
  '"start", "now" or offsets',
);

export const waitOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  detachSignal: optionalSignal,
} satisfies FieldsOf<WaitOptions>);

const attachFields = {
  signal: optionalSignal,
  from: v.optional(position),
  resultProperties: optionalFunction,
} satisfies FieldsOf<Omit<AttachOptions, 'observe'>>;

export const attachOptions: v.GenericSchema = v.object({
  ...attachFields,
  observe: v.optional(v.boolean()),
} satisfies FieldsOf<AttachOptions>);

export const runOptions: v.GenericSchema = v.object({
  ...attachFields,
  onSpecChange: v.optional(v.picklist(['reject', 'keep'])),
} satisfies FieldsOf<RunOptions>);
