import * as v from 'valibot';

import type { StoresOptions } from '../stores/stores-options.ts';
import { optionalNumber, optionalText, withMethods } from './common-shapes.ts';
import type { FieldsOf } from './shape.ts';

const archiveStore = v.intersect([
  withMethods('a store with the methods of ArchiveStore', [
    'write',
    'read',
    'delete',
    'list',
    'usage',
    'probe',
    'close',
  ]),
  v.object({ name: v.string() }),
]);

/** The option `stores` of a worker. */
export const storesOptions: v.GenericSchema = v.strictObject({
  custom: v.optional(v.array(archiveStore)),
  artifacts: optionalText,
  outputs: optionalText,
  caches: optionalText,
  saveOutputs: v.optional(v.picklist(['always', 'success', 'never'])),
  unavailableBudgetMs: optionalNumber,
} satisfies FieldsOf<StoresOptions>);
