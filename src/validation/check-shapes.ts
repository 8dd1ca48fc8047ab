import * as v from 'valibot';

import type { CheckOptions } from '../runtime/check.ts';
import { optionalBoolean, optionalSignal } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const checkOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  startPod: optionalBoolean,
  networkPolicy: optionalBoolean,
  stores: optionalBoolean,
  images: optionalBoolean,
} satisfies FieldsOf<CheckOptions>);
