import type { Compilable, Expression, ExpressionBuilder, ExpressionWrapper, SqlBool } from 'kysely';
import { expressionBuilder } from 'kysely';

import type { UsageGroup, UsageQuery } from '../../../runtime/retention.ts';
import { type JsonText, jsonText } from '../rows.ts';
import { kept, liveStates, type StatementBuilder, type Tables } from '../tables.ts';

/** The maximum number of groups that are returned. */
const maxGroups = 1_000;

/** The counts of a group, and the two texts that identify it. */
interface UsageRow {
  readonly first: string | null;
  readonly second: string | null;
  readonly live: number;
  readonly kept: number;
  readonly volumes: number;
  readonly bytes: number;
  readonly unknown: number;
}

/** Counts containers and volumes by team or by owner, the group with the most bytes first. */
export function countUsage(
  statements: StatementBuilder,
  workerName: string,
  by: UsageQuery['by'],
): Compilable<{ row: JsonText<UsageRow> }> {
  const eb = columns();
  const team = eb.ref('containers.metadata', '->>').key('team');
  const second = eb.cast<string | null>(by === 'team' ? eb.lit(null) : eb.ref('owner_key'), 'text').as('second');
  return statements
    .with('counted', (db) =>
      db
        .selectFrom('containers')
        .select([
          eb.cast<string | null>(by === 'team' ? team : eb.ref('owner_kind'), 'text').as('first'),
          second,
          one(eb('containers.state', 'in', liveStates)).as('live'),
          one(eb('containers.state', '=', kept)).as('kept'),
          one(eb.lit(false)).as('volumes'),
          eb.cast<number>(eb.lit(0), 'bigint').as('bytes'),
          one(eb.lit(false)).as('unknown'),
        ])
        .where('worker_name', '=', workerName)
        .where('state', 'in', [...liveStates, kept])
        .unionAll(
          db
            .selectFrom('volumes')
            .leftJoin('containers', 'containers.id', 'volumes.container_id')
            .select([
              eb
                .cast<string | null>(by === 'team' ? eb.fn.coalesce('team_id', team) : eb.ref('owner_kind'), 'text')
                .as('first'),
              second,
              one(eb.lit(false)).as('live'),
              one(eb.lit(false)).as('kept'),
              one(eb.lit(true)).as('volumes'),
              eb.cast<number>(eb.fn.coalesce('size_bytes', eb.lit(0)), 'bigint').as('bytes'),
              one(eb('size_bytes', 'is', null)).as('unknown'),
            ])
            .where('volumes.worker_name', '=', workerName)
            .where('volumes.state', 'in', liveStates),
        ),
    )
    .with('summed', (db) =>
      db
        .selectFrom('counted')
        .select((summed) => [
          'first',
          'second',
          summed.fn.sum<number>('live').as('live'),
          summed.fn.sum<number>('kept').as('kept'),
          summed.fn.sum<number>('volumes').as('volumes'),
          summed.fn.sum<number>('bytes').as('bytes'),
          summed.fn.sum<number>('unknown').as('unknown'),
        ])
        .groupBy(['first', 'second'])
        .orderBy('bytes', 'desc')
        .orderBy('volumes', 'desc')
        .orderBy('first')
        .orderBy('second')
        .limit(maxGroups),
    )
    .selectFrom('summed')
    .select((summed) => jsonText(summed.fn.toJson('summed')).as('row'))
    .orderBy('bytes', 'desc')
    .orderBy('volumes', 'desc')
    .orderBy('first')
    .orderBy('second');
}

function columns(): ExpressionBuilder<Tables, 'containers' | 'volumes'> {
  return expressionBuilder<Tables, 'containers' | 'volumes'>();
}

/** Returns 1 if the condition holds, otherwise 0. */
function one(condition: Expression<SqlBool>): ExpressionWrapper<Tables, 'containers' | 'volumes', number> {
  return columns().cast<number>(condition, 'integer');
}

export function toUsageGroup({ first, second, ...counts }: UsageRow, by: UsageQuery['by']): UsageGroup {
  const owner = by === 'owner' && first !== null && second !== null ? { kind: first, key: second } : undefined;
  return {
    team: by === 'team' ? (first ?? undefined) : undefined,
    owner,
    liveContainers: counts.live,
    keptContainers: counts.kept,
    volumes: counts.volumes,
    knownBytes: counts.bytes,
    volumesOfUnknownSize: counts.unknown,
  };
}
