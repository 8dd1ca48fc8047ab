import { buffer } from 'node:stream/consumers';

import { StoreUnavailableError } from '../../../../src/errors/store.ts';
import type { AbortOptions } from '../../../../src/runtime/options.ts';
import type { ArchiveStore, ListedArchive } from '../../../../src/stores/archive-store.ts';
import type { MemoryArchiveStore } from '../../../support/stores/memory-archive-store.ts';
import type { Gate } from './gate.ts';

/**
 * Returns an archive store for one incarnation of a replica. Each call waits at the gate. A write may
 * take effect after its host has crashed, but not after its signal has stopped it.
 */
export function gatedStore(caller: string, gate: Gate, store: MemoryArchiveStore): ArchiveStore {
  const { name } = store;
  const call = async <T>(
    verb: string,
    key: string,
    effect: () => Promise<T>,
    { signal }: AbortOptions = {},
  ): Promise<T> =>
    await gate.pass({
      caller,
      kind: 'store',
      name: `${caller} ${verb} ${key} in the store`,
      effect,
      failure: () => new StoreUnavailableError({ store: name, key }, 'no answer'),
      signal,
    });
  return {
    name,
    write: async (key, bytes, { signal } = {}) => {
      signal?.throwIfAborted();
      const whole = await buffer(bytes);
      return await call('write', key, () => store.write(key, only(whole), { signal }));
    },
    read: async (key, options) => await call('read', key, () => store.read(key, options), options),
    delete: async (key, options) => await call('delete', key, () => store.delete(key), options),
    list: async function* (prefix, options) {
      yield* await call('list', prefix, () => listOf(store, prefix), options);
    },
    usage: async () => undefined,
    probe: async () => undefined,
    close: async () => undefined,
  };
}

async function* only(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function listOf(store: MemoryArchiveStore, prefix: string): Promise<readonly ListedArchive[]> {
  const listed: ListedArchive[] = [];
  for await (const archive of store.list(prefix)) listed.push(archive);
  return listed;
}
