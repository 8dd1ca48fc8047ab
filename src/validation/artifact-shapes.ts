import * as v from 'valibot';

import type { CopyArtifactOptions, CreateArtifactOptions } from '../runtime/artifacts.ts';
import { optionalMs, optionalSignal, optionalText, text } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

const fields = { signal: optionalSignal, teamId: optionalText, ttlMs: optionalMs };

export const createArtifactOptions: v.GenericSchema = v.strictObject({
  ...fields,
  store: optionalText,
} satisfies FieldsOf<CreateArtifactOptions>);

export const copyArtifactOptions: v.GenericSchema = v.strictObject({
  ...fields,
  store: text,
} satisfies FieldsOf<CopyArtifactOptions>);
