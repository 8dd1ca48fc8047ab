import * as v from 'valibot';

import type { ReviewedPermission, ReviewTokenOptions } from '../runtime/token-review.ts';
import { optionalSignal, optionalText, optionalTexts, text } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const reviewTokenOptions: v.GenericSchema = v.strictObject({
  signal: optionalSignal,
  permission: v.strictObject({
    verb: text,
    apiGroup: optionalText,
    resource: text,
  } satisfies FieldsOf<ReviewedPermission>),
  audiences: optionalTexts,
} satisfies FieldsOf<ReviewTokenOptions>);
