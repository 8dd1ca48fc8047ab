import * as v from 'valibot';
import type { ReadFileOptions, StreamInOptions, StreamOutOptions } from '../runtime/volume.ts';
import type { VolumeQuery } from '../runtime/volume-query.ts';
import { optionalNumber, optionalSignal, optionalText } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const streamInOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  encoding: optionalText,
  limitBytes: optionalNumber,
  expandedLimitBytes: optionalNumber,
} satisfies FieldsOf<StreamInOptions>);

export const streamOutOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  encoding: optionalText,
} satisfies FieldsOf<StreamOutOptions>);

export const readFileOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  limitBytes: optionalNumber,
} satisfies FieldsOf<ReadFileOptions>);

/**
 * A misspelt field is refused, because without the intended field the query would match more than
 * the caller expects.
 */
export const volumeQuery: v.GenericSchema = v.strictObject({
  containerHandle: optionalText,
  kind: v.optional(v.picklist(['dir', 'input', 'output', 'cache', 'artifact'])),
  state: v.optional(v.picklist(['creating', 'created', 'failed', 'destroying'])),
  after: optionalText,
  limit: optionalNumber,
} satisfies FieldsOf<VolumeQuery>);
