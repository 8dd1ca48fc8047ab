import * as v from 'valibot';

import type { ReadFileOptions, StreamInOptions, StreamOutOptions } from '../runtime/volume.ts';
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
