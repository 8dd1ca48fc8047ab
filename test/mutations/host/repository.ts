import type { Mutant } from '../../../scripts/mutant.ts';

const rows = (grep: string) => ({ specs: ['test/integration/repository/pglite.spec.ts'], grep });
const heldContainer = 'src/repository/postgres/containers/held-container.ts';
const destroyable = 'src/repository/postgres/containers/destroyable-containers.ts';
const finishedOwners = 'src/repository/postgres/containers/finished-owners.ts';
const queries = 'src/repository/postgres/containers/postgres-container-queries.ts';
const findOrInsert = 'src/repository/postgres/containers/find-or-insert.ts';
const recordPodGuard = `.set({ pod_uid: podUid, updated_at: now() })
    .where('handle', '=', handle)
    .where('state', '=', 'creating')
    .where('lease_holder', '=', holder)`;

/** Faults in `src/repository` that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a page ends among containers of one time, and skips the rest of them',
    file: 'src/repository/postgres/page.ts',
    find: "eb(eb.refTuple(`${table}.created_at`, `${table}.id`), '>', place)",
    replace: "eb.and([eb(`${table}.created_at`, '>', createdAt), eb(place, '=', place)])",
    killedBy: rows('a list of containers'),
  },
  {
    name: 'the last page has a cursor',
    file: 'src/repository/postgres/page.ts',
    find: 'rows.length > limit ? page.at(-1) : undefined',
    replace: 'page.at(-1)',
    killedBy: rows('a list of containers'),
  },
  {
    name: 'a container that is not yet created is found by its owner',
    file: queries,
    find: "        .where('state', '=', created),\n",
    replace: "        .where('state', '<>', created),\n",
    killedBy: rows('the created container of an owner'),
  },
  {
    name: 'a container of the same millisecond counts as created later',
    file: queries,
    find: 'createdAfter.getTime() + 1',
    replace: 'createdAfter.getTime()',
    killedBy: rows('a list of containers'),
  },
  {
    name: 'a stale host records its pod',
    file: heldContainer,
    find: recordPodGuard,
    replace: recordPodGuard.replace("\n    .where('lease_holder', '=', holder)", ''),
    killedBy: { specs: ['test/integration/repository/leases.spec.ts'], grep: 'recordPod' },
  },
  {
    name: 'a stale host moves the container',
    file: heldContainer,
    find: "eb.and([eb('state', '=', 'creating'), eb('lease_holder', '=', holder)])",
    replace: "eb('state', '=', 'creating')",
    killedBy: { specs: ['test/integration/repository/leases.spec.ts'], grep: 'mark' },
  },
  {
    name: 'a stale host marks an input ready',
    file: 'src/repository/postgres/volumes/postgres-volume-repository.ts',
    find: "eb('state', '<>', 'creating') : eb('lease_holder', '=', holder)",
    replace: "eb('state', '<>', 'creating') : eb('handle', 'is not', null)",
    killedBy: { specs: ['test/integration/repository/leases.spec.ts'], grep: 'markReady' },
  },
  {
    name: 'a lease passes while an input is marked ready',
    file: 'src/repository/postgres/volumes/postgres-volume-repository.ts',
    find: '.forShare()',
    replace: '',
    killedBy: { specs: ['test/integration/repository/leases.spec.ts'], grep: 'markReady' },
  },
  {
    name: 'a lease passes without another generation',
    file: findOrInsert,
    find: ".else(eb('lease_generation', '+', '1'))",
    replace: ".else(eb.ref('lease_generation'))",
    killedBy: rows('generation'),
  },
  {
    name: 'a container is completed although its owner has finished for good',
    file: heldContainer,
    find: "eb.or([eb('state', '=', to), eb.not(ownerHasFinished())])",
    replace: 'eb.lit(true)',
    killedBy: rows('meanwhile'),
  },
  {
    name: 'a container is inserted although its owner has finished for good',
    file: findOrInsert,
    find: "if (finished === 'true' && found?.container.state !== 'created')",
    replace: "if (finished === 'true' && found?.container.state === 'creating')",
    killedBy: rows('for good'),
  },
  {
    name: 'a container is inserted although its owner finishes for good after the search',
    file: findOrInsert,
    find: '.where((eb) => eb.not(hasFinished(made.workerName, made.owner)))',
    replace: '',
    killedBy: { specs: ['test/integration/repository/finished-owners.spec.ts'], grep: 'between' },
  },
  {
    name: 'a container is taken over although its owner has finished for good',
    file: findOrInsert,
    find: '        .where((eb) => eb.not(hasFinished(workerName, owner)))\n        .$if',
    replace: '        .$if',
    killedBy: rows('meanwhile'),
  },
  {
    name: 'a late host finishes a newer container',
    file: finishedOwners,
    find: "...(handle === undefined ? [] : [eb('handle', '=', handle)]),",
    replace: '',
    killedBy: rows('newer container'),
  },
  {
    name: 'an owner finishes for good although a newer container is live',
    file: finishedOwners,
    find: '.$if(handle !== undefined, (record) =>',
    replace: '.$if(handle === undefined, (record) =>',
    killedBy: rows('newer container'),
  },
  {
    name: 'a caller with another specification takes over a container',
    file: findOrInsert,
    find: '.$if(specDigest !== undefined,',
    replace: '.$if(specDigest === undefined,',
    killedBy: rows('specification'),
  },
  {
    name: 'a released lease is not free',
    file: findOrInsert,
    find: "eb('lease_holder', 'is', null), ",
    replace: '',
    killedBy: rows('a released lease'),
  },
  {
    name: 'a connection that answers as a standby is used again',
    file: 'src/repository/postgres/connection/pg-error.ts',
    find: '/^(08|25|57P|58|XX)/',
    replace: '/^(08|57P|58|XX)/',
    killedBy: { specs: ['test/unit/repository/statement-runner.spec.ts'] },
  },
  {
    name: 'a standby decides which pods are deleted',
    file: 'src/repository/postgres/containers/unknown-names.ts',
    find: "found?.is_standby !== 'false'",
    replace: 'found === undefined',
    killedBy: { specs: ['test/integration/repository/standby.spec.ts'] },
  },
  {
    name: 'two hosts reap at once',
    file: 'src/repository/postgres/workers/postgres-worker-repository.ts',
    find: "eb('reaper_until', '<=', now())",
    replace: "eb('reaper_until', 'is not', null)",
    killedBy: rows('beginReap'),
  },
  {
    name: 'a migration that was changed after it was applied is not noticed',
    file: 'src/repository/postgres/migrations/migrator.ts',
    find: 'checksum !== expected)',
    replace: "checksum === '')",
    killedBy: { specs: ['test/integration/repository/migrations.spec.ts'], grep: 'has changed' },
  },
  {
    name: 'the checksums of a new migration are not recorded',
    file: 'src/repository/postgres/migrations/migrator.ts',
    find: '    await this.#recordFacts(transaction);\n',
    replace: '',
    killedBy: { specs: ['test/integration/repository/migrations.spec.ts'], grep: 'checksums' },
  },
  {
    name: 'a version opens a schema that a newer one has migrated incompatibly',
    file: 'src/repository/postgres/migrations/migrator.ts',
    find: 'compatibleFrom !== null && compatibleFrom <= last',
    replace: 'compatibleFrom !== last',
    killedBy: { specs: ['test/integration/repository/version-skew.spec.ts'] },
  },
  {
    name: 'a migration waits for a table without a limit',
    file: 'src/repository/postgres/migrations/migrator.ts',
    find: '    await limitLockWaits(transaction, this.#lockTimeouts.tableMs);\n',
    replace: '    await limitLockWaits(transaction, 0);\n',
    killedBy: { specs: ['test/integration/repository/migrations.spec.ts'], grep: 'of a table' },
  },
  {
    name: 'a refused transaction hides its first failure',
    file: 'src/repository/postgres/connection/pool-driver.ts',
    find: "sqlStateOf(error) === '25P02'",
    replace: "sqlStateOf(error) === ''",
    killedBy: { specs: ['test/integration/repository/roles.spec.ts'] },
  },
  {
    name: 'a start-up parameter is sent',
    file: 'src/repository/postgres/connection/pg-pool.ts',
    find: '    query_timeout: 30_000,\n',
    replace: '    query_timeout: 30_000,\n    ...{ statement_timeout: 30_000 },\n',
    killedBy: { specs: ['test/unit/repository/pg-pool.spec.ts'] },
  },
  {
    name: 'a stale holder moves the row',
    file: heldContainer,
    find: "eb.and([eb('state', '=', 'creating'), eb('lease_holder', '=', holder)])",
    replace: "eb('state', '=', 'creating')",
    killedBy: rows('moves of a container'),
  },
  {
    name: 'a row moves out of any state',
    file: heldContainer,
    find: "eb('state', '=', to), eb.and([eb('state', '=', 'creating'), eb('lease_holder', '=', holder)])",
    replace: "eb('state', '<>', 'creating'), eb('lease_holder', '=', holder)",
    killedBy: rows('moves of a container'),
  },
  {
    name: "a stale holder records its pod's uid",
    file: heldContainer,
    find: recordPodGuard,
    replace: recordPodGuard.replace("\n    .where('lease_holder', '=', holder)", ''),
    killedBy: rows('moves of a container'),
  },
  {
    name: 'a live row is deleted',
    file: destroyable,
    find: "db.deleteFrom('containers').where('handle', '=', handle).where('state', '=', 'destroying').returning('id'),",
    replace: "db.deleteFrom('containers').where('handle', '=', handle).returning('id'),",
    killedBy: rows('Repository on PGlite delete'),
  },
  {
    name: 'a lease passes without a new generation',
    file: findOrInsert,
    find: ".else(eb('lease_generation', '+', '1'))",
    replace: ".else(eb.ref('lease_generation'))",
    killedBy: rows('findOrInsert'),
  },
  {
    name: 'a lease is taken from its holder',
    file: findOrInsert,
    find: "eb('lease_until', '<', now())",
    replace: "eb('lease_until', '>', now())",
    killedBy: rows('findOrInsert'),
  },
];
