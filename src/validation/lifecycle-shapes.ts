import * as v from 'valibot';

import type { HeartbeatOptions, LandOptions } from '../runtime/worker-lifecycle.ts';
import { optionalNumber, optionalSignal } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const heartbeatOptions: v.GenericSchema = v.strictObject({
  signal: optionalSignal,
  expiresInMs: optionalNumber,
} satisfies FieldsOf<HeartbeatOptions>);

export const landOptions: v.GenericSchema = v.strictObject({
  signal: optionalSignal,
  artifacts: v.optional(v.picklist(['wait', 'keep'])),
} satisfies FieldsOf<LandOptions>);
