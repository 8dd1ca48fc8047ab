import type { CheckFinding } from '../runtime/check.ts';
import type { AbortOptions } from '../runtime/options.ts';
import { failure, ok } from './finding.ts';

/** The stores to examine, by name. */
export type StoresToCheck = ReadonlyMap<string, { probe(options?: AbortOptions): Promise<void> }>;

/** Probes each archive store. */
export async function checkStores(stores: StoresToCheck, { signal }: AbortOptions): Promise<readonly CheckFinding[]> {
  return await Promise.all(
    [...stores].map(async ([name, store]) => {
      try {
        await store.probe({ signal });
        return ok('stores', `Store ${name} can be used.`);
      } catch (error) {
        signal?.throwIfAborted();
        const found = failure('stores', error);
        return { ...found, message: `Store ${name}: ${found.message}` };
      }
    }),
  );
}
