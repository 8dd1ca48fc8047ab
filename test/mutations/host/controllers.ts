import type { Mutant } from '../../../scripts/mutant.ts';

const reaper = { specs: ['test/unit/controllers/reaper.spec.ts'] };
const reaping = 'src/controllers/reaper.ts';
const reapLoop = 'src/controllers/reap-loop.ts';

/** Changes of `src/controllers` that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a row is deleted before its pod',
    file: reaping,
    find: `        if (await this.#removePod(container, options)) deletedPods += 1;
        const volumesOfIt = await containers.delete(container.handle, options);
`,
    replace: `        const volumesOfIt = await containers.delete(container.handle, options);
        if (await this.#removePod(container, options)) deletedPods += 1;
`,
    killedBy: reaper,
  },
  {
    name: 'a volume without a configured store counts as deleted',
    file: reaping,
    find: 'if (store === undefined) throw new StoreNotConfiguredError(volume.store);',
    replace: 'if (store === undefined) return false;',
    killedBy: reaper,
  },
  {
    name: 'one row that cannot be reaped stops the others',
    file: reaping,
    find: "this.#components.logger.warn('not reaped', { handle: row.handle, error });",
    replace: 'throw error;',
    killedBy: reaper,
  },
  {
    name: 'pods with a row are deleted as unknown',
    file: reaping,
    find: 'yield some.filter(({ handle }) => unknown.has(handle));',
    replace: 'yield some;',
    killedBy: reaper,
  },
  {
    name: 'one deletion delays all others',
    file: reaping,
    find: 'if (underWay.size >= maxUnderWay) await',
    replace: 'await',
    killedBy: reaper,
  },
  {
    name: 'a pass runs without the lease of the reaper',
    file: reapLoop,
    find: 'signal }))) return;',
    replace: 'signal }))) signal.throwIfAborted();',
    killedBy: { specs: ['test/unit/controllers/reap-loop.spec.ts'] },
  },
  {
    name: 'a request during a pass is lost',
    file: reapLoop,
    find: '    if (this.#isHurried) hurried.resolve();\n',
    replace: '',
    killedBy: { specs: ['test/unit/controllers/reap-loop.spec.ts'] },
  },
];
