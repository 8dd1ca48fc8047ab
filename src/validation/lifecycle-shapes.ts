import * as v from 'valibot';

import type { ProbeOptions } from '../runtime/worker-controllers.ts';
import type { HeartbeatOptions, LandOptions } from '../runtime/worker-lifecycle.ts';
import { optionalMs, optionalNumber, optionalSignal } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const heartbeatOptions: v.GenericSchema = v.strictObject({
  signal: optionalSignal,
  expiresInMs: optionalNumber,
} satisfies FieldsOf<HeartbeatOptions>);

export const landOptions: v.GenericSchema = v.strictObject({
  signal: optionalSignal,
  artifacts: v.optional(v.picklist(['wait', 'keep'])),
} satisfies FieldsOf<LandOptions>);

export const probeOptions: v.GenericSchema = v.strictObject({
  signal: optionalSignal,
  timeoutMs: optionalMs,
} satisfies FieldsOf<ProbeOptions>);
