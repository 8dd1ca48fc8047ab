import type { Mutant } from '../../../scripts/mutant.ts';

const store = 'src/stores/pvc/pvc-store.ts';
const pod = 'src/stores/pvc/store-pod.ts';
const storeSpec = { specs: ['test/unit/stores/pvc/pvc-store.spec.ts'] };
const podSpec = { specs: ['test/unit/stores/pvc/store-pod.spec.ts'] };

/** Changes of what a store on a claim consists of. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a write whose source was read runs again in the next store pod',
    file: store,
    find: 'if (tries === 1 && hasEnded(error) && mayRepeat()) continue;',
    replace: 'if (tries === 1 && hasEnded(error)) continue;',
    killedBy: storeSpec,
  },
  {
    name: 'a read of a claim continues after wrong bytes',
    file: store,
    find: ' && !(failure.cause instanceof DigestMismatchError);',
    replace: ' && !(failure.cause instanceof RangeError);',
    killedBy: storeSpec,
  },
  {
    name: 'a failure of the source of a write is one of the store',
    file: store,
    find: 'throw source.hasFailedWith(error) ? new SourceFailure(error) : error;',
    replace: 'throw error;',
    killedBy: storeSpec,
  },
  {
    name: 'the source of a write may change a chunk that was taken',
    file: 'src/stores/pvc/noted-source.ts',
    find: 'Uint8Array.from(next.value)',
    replace: 'next.value',
    killedBy: storeSpec,
  },
  {
    name: 'a store pod that starts slowly is deleted',
    file: pod,
    find: 'if (tries === maxTries || !hasEnded(error)) throw error;',
    replace: 'if (tries === maxTries) throw error;',
    killedBy: podSpec,
  },
  {
    name: 'the store pod that has replaced an ended one is deleted',
    file: pod,
    find: ' && metadata?.deletionTimestamp !== undefined;',
    replace: ';',
    killedBy: podSpec,
  },
  {
    name: 'each use of a claim starts a store pod',
    file: pod,
    find: 'this.#starting ??= this.#start',
    replace: 'this.#starting = this.#start',
    killedBy: podSpec,
  },
  {
    name: 'the reaper deletes the store pods of workers that exist',
    file: 'src/controllers/unknown-pods.ts',
    find: 'isStore ? deleted.has(name) : unknown.has(handle),',
    replace: 'isStore || unknown.has(handle) || deleted.has(name),',
    killedBy: { specs: ['test/unit/controllers/reaper.spec.ts'] },
  },
  {
    name: 'the store pods of other workers are deleted with a retired worker',
    file: 'src/controllers/store-pod-removal.ts',
    find: 'pod.isStore && pod.workerName === workerName',
    replace: 'pod.isStore',
    killedBy: { specs: ['test/unit/controllers/registrar.spec.ts'] },
  },
  {
    name: 'a store pod of a retired worker is started and left by another host',
    file: 'src/controllers/registrar.ts',
    find: '    if (move === undefined) await removeStorePods(this.#components, { signal });\n',
    replace: '',
    killedBy: { specs: ['test/unit/controllers/registrar.spec.ts'] },
  },
];
