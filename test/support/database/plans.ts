import type { Pool } from 'pg';

import type { RecordedStatement } from './recording-pool.ts';

/** The tables that grow with the number of containers and volumes. */
const largeTables: readonly string[] = [
  'archives',
  'containers',
  'container_properties',
  'finished_owners',
  'hijacks',
  'processes',
  'volumes',
];

/** A node of a plan, as `explain (format json)` returns it. */
interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Total Cost': number;
  /** Of each loop. Only of a statement that has run, as are the next two. */
  readonly 'Actual Rows'?: number;
  readonly 'Actual Loops'?: number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly PlanNode[];
}

/**
 * Fills a schema with `count` volumes of one worker, in a fourth as many containers with three
 * volumes each, a property, a result and a finished owner per container, and the rest as artifacts.
 * Most artifacts have an archive. Few rows are due for the reaper. The newest containers alone are
 * checks, and the newest one alone has inputs.
 */
export async function fillTables(pool: Pool, schema: string, count: number): Promise<void> {
  const quarter = count / 4;
  const state = `case n % 1000 when 1 then 'failed' when 2 then 'destroying' else 'created' end`;
  await pool.query(`
    insert into "${schema}".workers (name) values ('worker') on conflict do nothing;
    insert into "${schema}".containers
      (handle, worker_name, owner_kind, owner_key, owner_digest, state, pod_name, metadata, settings, created_at)
    select 'c' || n, 'worker', case when n <= 3 then 'check' else 'build-step' end, n::text,
      encode(sha256(n::text::bytea), 'hex'), ${state}, 'p', '{}', '{}', now() - n * interval '1 second'
    from generate_series(1, ${quarter}) as n;
    insert into "${schema}".volumes (handle, worker_name, container_id, kind, state, mount_path, store, location)
    select handle || '-' || part, 'worker', id, case handle when 'c1' then 'input' else 'output' end, state,
      '/' || part, 'pod', '{}'
    from "${schema}".containers, generate_series(1, 3) as part;
    insert into "${schema}".archives (id, worker_name, store, state, claim, key, raw_bytes, digest, stored_bytes,
      stored_digest, lease_holder, lease_until, last_used_at)
    select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'worker', 's3', kept.state, 'claim-' || n,
      'key', 1, encode(sha256('a'), 'hex'), 1, encode(sha256('a'), 'hex'), 'me', null, now() - n * interval '1 second'
    from generate_series(1, ${quarter}) as n,
      lateral (select case n % 1000 when 2 then 'destroying' else 'ready' end as state) as kept;
    insert into "${schema}".volumes
      (handle, worker_name, kind, state, store, location, expires_at, team_id, created_at, archive_id, archive,
      archive_ready_at)
    select 'v' || n, 'worker', 'artifact', ${state}, 'pod', '{}', now() + interval '1 hour', 't',
      now() - n * interval '1 second', archives.id, case when archives.id is not null then '{}'::jsonb end,
      case when archives.id is not null then now() end
    from generate_series(1, ${quarter}) as n
    left join "${schema}".archives on claim = 'claim-' || n and archives.state = 'ready' and n % 100 <> 7;
    insert into "${schema}".container_properties (container_id, name, value)
    select id, 'a', 'b' from "${schema}".containers;
    insert into "${schema}".processes (container_id, process_id, exit_status)
    select id, 'task', 0 from "${schema}".containers;
    insert into "${schema}".hijacks (container_id, process_id) select id, 'h' from "${schema}".containers;
    insert into "${schema}".finished_owners (worker_name, owner_digest, finished_at)
    select worker_name, owner_digest, now() + interval '1 hour' from "${schema}".containers;`);
  for (const table of largeTables) await pool.query(`analyze "${schema}"."${table}"`);
}

/** Returns the planner's cost of a statement, and the large tables that it reads completely. */
export async function costOf(
  pool: Pool,
  { text, values }: RecordedStatement,
): Promise<{ readonly cost: number; readonly scanned: readonly string[] }> {
  const { rows } = await pool.query<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>(`explain (format json) ${text}`, [
    ...values,
  ]);
  const plans = (rows[0]?.['QUERY PLAN'] ?? []).map(({ Plan }) => Plan);
  const scanned = plans
    .flatMap(nodesOf)
    .filter((node) => node['Node Type'] === 'Seq Scan' && largeTables.includes(node['Relation Name'] ?? ''))
    .map((node) => node['Relation Name'] ?? '');
  return { cost: Math.max(...plans.map((plan) => plan['Total Cost'])), scanned };
}

/** Runs a statement that changes nothing, and returns how many rows of tables it reads. */
export async function rowsReadBy(pool: Pool, { text, values }: RecordedStatement): Promise<number> {
  const { rows } = await pool.query<{ 'QUERY PLAN': readonly { Plan: PlanNode }[] }>(
    `explain (analyze, format json) ${text}`,
    [...values],
  );
  return (rows[0]?.['QUERY PLAN'] ?? [])
    .flatMap(({ Plan }) => nodesOf(Plan))
    .filter((node) => node['Relation Name'] !== undefined)
    .map((node) => ((node['Actual Rows'] ?? 0) + (node['Rows Removed by Filter'] ?? 0)) * (node['Actual Loops'] ?? 0))
    .reduce((sum, count) => sum + count, 0);
}

/** Returns the plan of a statement as text. */
export async function planOf(pool: Pool, { text, values }: RecordedStatement): Promise<string> {
  const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`explain (costs off) ${text}`, [...values]);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

function nodesOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}
