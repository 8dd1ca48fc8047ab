import type { Mutant } from '../../../scripts/mutant.ts';

const reaper = { specs: ['test/unit/controllers/reaper.spec.ts'] };
const reaping = 'src/controllers/reaper.ts';
const sweep = 'src/controllers/row-sweep.ts';
const unknown = 'src/controllers/unknown-pods.ts';
const reapLoop = 'src/controllers/reap-loop.ts';

/** Changes of `src/controllers` that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a row is deleted before its pod',
    file: sweep,
    find: `      await places?.remove(row, { signal });
      await this.#kind.batches.delete(row.handle);
`,
    replace: `      await this.#kind.batches.delete(row.handle);
      await places?.remove(row, { signal });
`,
    killedBy: reaper,
  },
  {
    name: 'a volume without a configured store counts as deleted',
    file: 'src/controllers/volume-places.ts',
    find: 'return { findMissing: reject, remove: reject };',
    replace: 'return { findMissing: async (some) => some.map(() => true), remove: reject };',
    killedBy: reaper,
  },
  {
    name: 'one row that cannot be reaped stops the others',
    file: sweep,
    find: "logger.warn('not reaped', { handle: row.handle, error });",
    replace: 'throw error;',
    killedBy: reaper,
  },
  {
    name: 'pods with a row are deleted as unknown',
    file: unknown,
    find: 'isStore ? deleted.has(name) : unknown.has(handle),',
    replace: 'isStore ? deleted.has(name) : unknown.size >= 0,',
    killedBy: reaper,
  },
  {
    name: 'pods of other workers are deleted as unknown',
    file: unknown,
    find: 'pod.workerName === workerName || deleted.has(pod.workerName)',
    replace: 'names.size >= 0 || deleted.has(pod.workerName)',
    killedBy: reaper,
  },
  {
    name: 'one deletion delays all others',
    file: 'src/controllers/sliding-window.ts',
    find: 'if (this.#underWay.size >= this.#limit) await',
    replace: 'await',
    killedBy: reaper,
  },
  {
    name: 'rows are deleted after a list of pods that has failed',
    file: sweep,
    find: 'return undefined;',
    replace: 'return rows.map(() => true);',
    killedBy: reaper,
  },
  {
    name: 'a pass marks rows before it has listed the pods',
    file: reaping,
    find: `    const unknownPods = findUnknown ? await this.#findUnknownPods(pass) : [];
    await containers.pruneFinishedOwners(workerName, finishedOwnerTtlMs, { signal: pass.signal });
    await this.#components.reservations.prune(workerName, { signal: pass.signal });
    await this.#sweepContainers(pass);
`,
    replace: `    await this.#sweepContainers(pass);
    const unknownPods = findUnknown ? await this.#findUnknownPods(pass) : [];
    await containers.pruneFinishedOwners(workerName, finishedOwnerTtlMs, { signal: pass.signal });
`,
    killedBy: reaper,
  },
  {
    name: 'a row that a batch has left out counts as deleted',
    file: 'src/controllers/row-batches.ts',
    find: 'if (deleted.has(handle)) resolve();',
    replace: 'resolve();',
    killedBy: { specs: ['test/unit/controllers/row-batches.spec.ts'] },
  },
  {
    name: 'a pod with the name of an earlier one counts as it',
    file: 'src/pods/pod-remover.ts',
    find: 'existing === undefined || (uid !== undefined && existing !== uid)',
    replace: 'existing === undefined',
    killedBy: { specs: ['test/unit/pods/pod-remover.spec.ts'] },
  },
  {
    name: 'a part of a list counts as the whole',
    file: 'src/kubernetes/api/object-json.ts',
    find: 'return items.length === page.items.length ? { ...page, items, at } : undefined;',
    replace: 'return { ...page, items, at };',
    killedBy: { specs: ['test/integration/kubernetes/client-node-cluster-metadata.spec.ts'] },
  },
  {
    name: 'a config map that a pod mounts is deleted',
    file: 'src/pods/old-agents.ts',
    find: 'return old.filter(({ name }) => !mounted.has(name));',
    replace: 'return old.filter(() => mounted.size >= 0);',
    killedBy: { specs: ['test/unit/pods/old-agents.spec.ts'] },
  },
  {
    name: 'a pass runs without the lease of the reaper',
    file: 'src/controllers/reap-loop.ts',
    find: 'if (!leads) return;',
    replace: '',
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
