import type { Mutant } from '../../../scripts/mutant.ts';

const rows = (grep: string) => ({ specs: ['test/integration/repository/pglite.spec.ts'], grep });
const containers = 'src/repository/postgres/postgres-container-repository.ts';

/** Changes of `src/repository` that a test has to notice. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a stale host records its pod',
    file: 'src/repository/postgres/postgres-container-repository.ts',
    find: "and state = 'creating' and lease_holder = ${holder} returning 1`",
    replace: "and state = 'creating' and ${holder}::text is not null returning 1`",
    killedBy: { specs: ['test/integration/repository/leases.spec.ts'], grep: 'recordPod' },
  },
  {
    name: 'a stale host moves the container',
    file: 'src/repository/postgres/postgres-container-repository.ts',
    find: "(state = 'creating' and lease_holder = ${holder}))",
    replace: "(state = 'creating' and ${holder}::text is not null))",
    killedBy: { specs: ['test/integration/repository/leases.spec.ts'], grep: 'mark' },
  },
  {
    name: 'a stale host marks an input ready',
    file: 'src/repository/postgres/postgres-volume-repository.ts',
    find: "(state <> 'creating' or lease_holder = ${holder ?? null})",
    replace: '(true or lease_holder = ${holder ?? null})',
    killedBy: { specs: ['test/integration/repository/leases.spec.ts'], grep: 'markReady' },
  },
  {
    name: 'a lease passes while an input is marked ready',
    file: 'src/repository/postgres/postgres-volume-repository.ts',
    find: '          for share\n',
    replace: '',
    killedBy: { specs: ['test/integration/repository/leases.spec.ts'], grep: 'markReady' },
  },
  {
    name: 'a lease passes without another generation',
    file: 'src/repository/postgres/find-or-insert.ts',
    find: 'then 0 else 1 end',
    replace: 'then 0 else 0 end',
    killedBy: { specs: ['test/integration/repository/pglite.spec.ts'], grep: 'generation' },
  },
  {
    name: 'a released lease is not free',
    file: 'src/repository/postgres/find-or-insert.ts',
    find: '(lease_holder is null or lease_holder =',
    replace: '(lease_holder =',
    killedBy: { specs: ['test/integration/repository/pglite.spec.ts'], grep: 'a released lease' },
  },
  {
    name: 'a connection that answers as a standby is used again',
    file: 'src/repository/postgres/pg-error.ts',
    find: '/^(08|25|57P|58|XX)/',
    replace: '/^(08|57P|58|XX)/',
    killedBy: { specs: ['test/unit/repository/statement-runner.spec.ts'] },
  },
  {
    name: 'a start-up parameter is sent',
    file: 'src/repository/postgres/pg-pool.ts',
    find: '    query_timeout: 30_000,\n',
    replace: '    query_timeout: 30_000,\n    ...{ statement_timeout: 30_000 },\n',
    killedBy: { specs: ['test/unit/repository/pg-pool.spec.ts'] },
  },
  {
    name: 'a stale holder moves the row',
    file: containers,
    find: "(state = 'creating' and lease_holder = ${holder}))\n          returning id",
    replace: "(state = 'creating' and ${holder}::text is not null))\n          returning id",
    killedBy: rows('moves of a container'),
  },
  {
    name: 'a row moves out of any state',
    file: containers,
    find: "where handle = ${handle} and (state = ${sql.lit(to)} or (state = 'creating' and lease_holder = ${holder}))",
    replace: "where handle = ${handle} and (state <> 'creating' or lease_holder = ${holder})",
    killedBy: rows('moves of a container'),
  },
  {
    name: "a stale holder records its pod's uid",
    file: containers,
    find: "where handle = ${handle} and state = 'creating' and lease_holder = ${holder} returning 1`",
    replace: "where handle = ${handle} and state = 'creating' and ${holder}::text is not null returning 1`",
    killedBy: rows('moves of a container'),
  },
  {
    name: 'a live row is deleted',
    file: containers,
    find: "delete from ${containers} where handle = ${handle} and state = 'destroying' returning id",
    replace: 'delete from ${containers} where handle = ${handle} returning id',
    killedBy: rows('Repository on PGlite delete'),
  },
  {
    name: 'a lease passes without a new generation',
    file: 'src/repository/postgres/find-or-insert.ts',
    find: 'then 0 else 1 end',
    replace: 'then 0 else 0 end',
    killedBy: rows('findOrInsert'),
  },
  {
    name: 'a lease is taken from its holder',
    file: 'src/repository/postgres/find-or-insert.ts',
    find: '(lease_holder is null or lease_holder = ${lease.holder} or lease_until < now())',
    replace: '(lease_holder is null or lease_holder = ${lease.holder} or lease_until > now())',
    killedBy: rows('findOrInsert'),
  },
];
