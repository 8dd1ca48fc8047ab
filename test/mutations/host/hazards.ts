import type { Mutant } from '../../../scripts/mutant.ts';

const hazard = (number: number) => ({
  specs: ['test/integration/repository/pglite.spec.ts'],
  grep: `H${number}: `,
});
const postgres = 'src/repository/postgres';

/** The naive form of each hazard of `docs/database.md` that one replacement of text can plant. */
export const mutants: readonly Mutant[] = [
  {
    name: 'H1: a row that a crashed host left creating is found by nothing',
    file: `${postgres}/containers/destroyable-containers.ts`,
    find: "    eb.and([eb('state', '=', 'creating'), eb('lease_until', '<', fromNow(-leaseGraceMs))]),\n",
    replace: '',
    killedBy: hazard(1),
  },
  {
    name: 'H2: an owner is found by any of its rows',
    file: `${postgres}/containers/find-or-insert.ts`,
    find: "            .where('state', 'in', liveStates)\n            .where(",
    replace: '            .limit(1)\n            .where(',
    killedBy: hazard(2),
  },
  {
    name: 'H3: two volumes have one path',
    file: `${postgres}/migrations/0001-initial.ts`,
    find: "    .addUniqueConstraint('volumes_container_id_mount_path_key', ['container_id', 'mount_path'])\n",
    replace: '',
    killedBy: hazard(3),
  },
  {
    name: "H4: another worker's handle is unknown",
    file: `${postgres}/containers/unknown-names.ts`,
    find: "        .select('handle as name')\n        .where('handle', 'in', handles)\n",
    replace:
      "        .select('handle as name')\n        .where('handle', 'in', handles)\n        .where('worker_name', '=', 'elsewhere')\n",
    killedBy: hazard(4),
  },
  {
    name: 'H5: a pod of a failed look-up counts as a pod without a row',
    file: 'src/controllers/unknown-pods.ts',
    find: '(some) => queries.unknownHandles(some, options)',
    replace: '(some) => queries.unknownHandles(some, options).catch(() => some)',
    killedBy: { specs: ['test/unit/controllers/reaper.spec.ts'], grep: 'H5: ' },
  },
  {
    name: 'H7: no index has the expiry of artifact volumes',
    file: `${postgres}/migrations/0001-initial.ts`,
    find: "    .columns(['worker_name', 'expires_at'])\n",
    replace: "    .columns(['worker_name'])\n",
    killedBy: { specs: ['test/integration/repository/plans.spec.ts'], grep: 'H7: ' },
  },
  {
    name: "H8: a worker expires another worker's volume",
    file: `${postgres}/volumes/postgres-volume-repository.ts`,
    find: "lease_until: null, updated_at: now() })\n        .where('worker_name', '=', workerName)\n        .where('handle', '=', handle)\n",
    replace: "lease_until: null, updated_at: now() })\n        .where('handle', '=', handle)\n",
    killedBy: hazard(8),
  },
  {
    name: 'H12: a volume that is created counts as complete',
    file: `${postgres}/containers/held-container.ts`,
    find: "        .set({ state: to, updated_at: now() })\n        .where('container_id'",
    replace: "        .set({ state: to, ready_at: now(), updated_at: now() })\n        .where('container_id'",
    killedBy: hazard(12),
  },
  {
    name: 'H13: the end of one process is the end of all',
    file: `${postgres}/containers/process-results.ts`,
    find: "\n    .where('processes.process_id', '=', processId)",
    replace: ".where((eb) => eb.val(processId !== ''))",
    killedBy: hazard(13),
  },
];
