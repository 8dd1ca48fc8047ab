import * as v from 'valibot';

import type { PackFolderOptions, UnpackFolderOptions } from '../runtime/folder.ts';
import { optionalFunction, optionalSignal, optionalText } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

export const localPath: v.GenericSchema = v.custom(
  (value) => typeof value === 'string' && value !== '' && !value.includes('\0'),
  'a path',
);

export const archiveChunks: v.GenericSchema = v.custom(
  (value) => typeof value === 'object' && value !== null && Symbol.asyncIterator in value,
  'a stream or an async iterable',
);

export const packFolderOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  name: optionalText,
  skipped: optionalFunction,
} satisfies FieldsOf<PackFolderOptions>);

export const unpackFolderOptions: v.GenericSchema = v.object({
  signal: optionalSignal,
  expandedLimitBytes: v.optional(
    v.pipe(
      v.number(),
      v.check((bytes) => Number.isSafeInteger(bytes) && bytes >= 0, 'a number of bytes'),
    ),
  ),
} satisfies FieldsOf<UnpackFolderOptions>);
