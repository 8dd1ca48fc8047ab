import * as v from 'valibot';

import type { PvcStoreOptions } from '../runtime/pvc-store-options.ts';
import { optionalNumber, optionalText, text } from './common-shapes.ts';
import { limits, requests } from './container-shapes.ts';
import { storePodOptions } from './pod-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const pvcStoreOptions: v.GenericSchema = v.strictObject({
  claim: text,
  name: optionalText,
  user: optionalNumber,
  group: optionalNumber,
  limits,
  requests,
  pod: v.optional(storePodOptions),
} satisfies FieldsOf<PvcStoreOptions>);
