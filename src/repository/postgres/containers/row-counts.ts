import type { Compilable } from 'kysely';
import { sql } from 'kysely';

import type { RowCounts } from '../../container-queries.ts';
import { type JsonText, jsonText } from '../rows.ts';
import type { StatementBuilder } from '../tables.ts';

/** The rows of one table in one state, or of archives in one store. */
interface CountedRow {
  readonly kind: 'container' | 'volume' | 'archive';
  /** The state, or the name of the store. */
  readonly label: string;
  readonly count: number;
  readonly bytes: number;
}

/** Counts a worker's rows of containers and volumes by state, and its archives that are ready by store. */
export function countRows(statements: StatementBuilder, workerName: string): Compilable<{ row: JsonText<CountedRow> }> {
  return statements
    .with('counted', (db) =>
      db
        .selectFrom('containers')
        .select((eb) => [
          sql.lit<CountedRow['kind']>('container').as('kind'),
          eb.cast<string>('state', 'text').as('label'),
          eb.fn.countAll<number>().as('count'),
          eb.cast<number>(eb.lit(0), 'bigint').as('bytes'),
        ])
        .where('worker_name', '=', workerName)
        .groupBy('state')
        .unionAll(
          db
            .selectFrom('volumes')
            .select((eb) => [
              sql.lit<CountedRow['kind']>('volume').as('kind'),
              eb.cast<string>('state', 'text').as('label'),
              eb.fn.countAll<number>().as('count'),
              eb.cast<number>(eb.lit(0), 'bigint').as('bytes'),
            ])
            .where('worker_name', '=', workerName)
            .groupBy('state'),
        )
        .unionAll(
          db
            .selectFrom('archives')
            .select((eb) => [
              sql.lit<CountedRow['kind']>('archive').as('kind'),
              'store as label',
              eb.fn.countAll<number>().as('count'),
              eb.cast<number>(eb.fn.coalesce(eb.fn.sum('stored_bytes'), eb.lit(0)), 'bigint').as('bytes'),
            ])
            .where('worker_name', '=', workerName)
            .where('state', '=', 'ready')
            .groupBy('store'),
        ),
    )
    .selectFrom('counted')
    .select((eb) => jsonText(eb.fn.toJson('counted')).as('row'));
}

/** Returns the counts by kind. A state without a row counts as 0. */
export function toRowCounts(rows: readonly CountedRow[]): RowCounts {
  const containers = { creating: 0, created: 0, kept: 0, failed: 0, destroying: 0 };
  const volumes = { creating: 0, created: 0, failed: 0, destroying: 0 };
  const counted = (kind: CountedRow['kind']): readonly CountedRow[] => rows.filter((row) => row.kind === kind);
  const byState = (kind: CountedRow['kind']): Readonly<Record<string, number>> =>
    Object.fromEntries(counted(kind).map(({ label, count }) => [label, count]));
  return {
    containers: { ...containers, ...byState('container') },
    volumes: { ...volumes, ...byState('volume') },
    archives: counted('archive').map(({ label: store, count, bytes }) => ({ store, count, storedBytes: bytes })),
  };
}
