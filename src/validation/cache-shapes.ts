import * as v from 'valibot';

import type {
  InitializeCacheOptions,
  InitializeStreamedCacheOptions,
  InvalidateCacheOptions,
  TaskCacheKey,
} from '../runtime/caches.ts';
import { optionalMs, optionalSignal, text } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const taskCacheKey: v.GenericSchema = v.strictObject({
  job: text,
  step: text,
  path: text,
} satisfies FieldsOf<TaskCacheKey>);

export const initializeCacheOptions: v.GenericSchema = v.strictObject({
  signal: optionalSignal,
  ttlMs: optionalMs,
} satisfies FieldsOf<InitializeCacheOptions>);

export const initializeStreamedCacheOptions: v.GenericSchema = v.strictObject({
  signal: optionalSignal,
  ttlMs: optionalMs,
  source: text,
} satisfies FieldsOf<InitializeStreamedCacheOptions>);

export const invalidateCacheOptions: v.GenericSchema = v.strictObject({
  signal: optionalSignal,
  graceMs: optionalMs,
} satisfies FieldsOf<InvalidateCacheOptions>);
