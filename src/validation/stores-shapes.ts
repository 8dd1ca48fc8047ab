import * as v from 'valibot';

import type { StoresOptions } from '../stores/stores-options.ts';
import { optionalNumber, optionalText, withMethods } from './common-shapes.ts';
import { pvcStoreOptions } from './pvc-store-shapes.ts';
import { s3StoreOptions } from './s3-store-shapes.ts';
import type { FieldsOf } from './shape.ts';

const methods = ['write', 'read', 'delete', 'list', 'usage', 'probe', 'close'];

/** An object with the methods and the name of a store, which may be an instance of a class. */
const archiveStore = v.custom(
  (value) => v.is(withMethods('', methods), value) && typeof Reflect.get(value as object, 'name') === 'string',
  'a store with a name and the methods of ArchiveStore',
);

/** The option `stores` of a worker. */
export const storesOptions: v.GenericSchema = v.strictObject({
  pvc: v.optional(pvcStoreOptions),
  s3: v.optional(s3StoreOptions),
  partBuffers: v.optional(withMethods('an instance of PartBuffers', ['acquire'])),
  custom: v.optional(v.array(archiveStore)),
  artifacts: optionalText,
  outputs: optionalText,
  caches: optionalText,
  saveOutputs: v.optional(v.picklist(['always', 'success', 'never'])),
  unavailableBudgetMs: optionalNumber,
  sweepEveryMs: optionalNumber,
} satisfies FieldsOf<StoresOptions>);
