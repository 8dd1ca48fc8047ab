import type { Mutant } from '../../scripts/mutant.ts';

const killedBy = { specs: ['test/long/model/model.spec.ts'], grep: 'known faults' };

/**
 * Faults that only an order of calls shows. The model-based test must detect them. Each has a sequence
 * in `test/long/model/model.spec.ts`.
 */
export const mutants: readonly Mutant[] = [
  {
    name: 'a holder that was overtaken records its pod',
    file: 'src/repository/postgres/held-container.ts',
    find: `.set({ pod_uid: podUid, updated_at: now() })
    .where('handle', '=', handle)
    .where('state', '=', 'creating')
    .where('lease_holder', '=', holder)`,
    replace: `.set({ pod_uid: podUid, updated_at: now() })
    .where('handle', '=', handle)
    .where('state', '=', 'creating')
    .where((eb) => eb.or([eb('lease_holder', '=', holder), eb('lease_holder', '<>', holder)]))`,
    killedBy,
  },
  {
    name: 'the reaper deletes the row before the pod',
    file: 'src/controllers/row-sweep.ts',
    find: `      await places?.remove(row, { signal });
      await this.#kind.batches.delete(row.handle);`,
    replace: `      await this.#kind.batches.delete(row.handle);
      await places?.remove(row, { signal });`,
    killedBy,
  },
  {
    name: 'a holder does not fence off the holder before it',
    file: 'src/worker/complete-container.ts',
    find: '  await pods.fence(container, generation, options);',
    replace: '',
    killedBy,
  },
];
