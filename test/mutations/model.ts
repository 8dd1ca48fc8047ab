import type { Mutant } from '../../scripts/mutant.ts';

const killedBy = { specs: ['test/long/model/model.spec.ts'], grep: 'known faults' };

/**
 * Faults that only an order of calls shows. The model-based test must detect them. Each has a sequence
 * in `test/long/model/model.spec.ts`.
 */
export const mutants: readonly Mutant[] = [
  {
    name: 'a holder that was overtaken records its pod',
    file: 'src/repository/postgres/containers/held-container.ts',
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
    file: 'src/worker/creation/complete-container.ts',
    find: '  await pods.fence(container, generation, options);',
    replace: '',
    killedBy,
  },
  {
    name: 'the reaper deletes a volume during a stream',
    file: 'src/repository/postgres/volumes/destroyable-volumes.ts',
    find: `    .where('state', '=', 'destroying')
    .where((eb) => eb.not(hasOpenStream()))`,
    replace: `    .where('state', '=', 'destroying')`,
    killedBy,
  },
  {
    name: 'the last writer of a resource cache wins',
    file: 'src/repository/postgres/caches/bless-volume.ts',
    find: '        .$if(!replace, (stale) => stale.where((eb) => eb.not(isValidCache())))\n',
    replace: '',
    killedBy,
  },
  {
    name: 'the reaper deletes an archive that a volume refers to',
    file: 'src/repository/postgres/archives/destroyable-archives.ts',
    find: '    .where((where) => where.not(isReferenced()))\n',
    replace: '',
    killedBy,
  },
];
