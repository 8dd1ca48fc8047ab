import type { Compilable } from 'kysely';

import type { ProcessResultRecord } from '../../records.ts';
import { toJson } from '../input.ts';
import { type JsonText, jsonText, type ProcessRow } from '../rows.ts';
import { now, type StatementBuilder } from '../tables.ts';

/** A property in the JSON parameter of `insertResult`. */
interface Property {
  readonly name: string;
  readonly value: string;
}

/**
 * Stores the result of a process, unless it has one, and sets the properties. Selects no row if the
 * container does not exist.
 */
export function insertResult(
  statements: StatementBuilder,
  handle: string,
  processId: string,
  result: ProcessResultRecord,
  properties: Readonly<Record<string, string>>,
): Compilable<{ handle: string }> {
  const { exitStatus, signal: number, oomKills, stdoutBytes, stderrBytes, startedAt, finishedAt } = result;
  const { specDigest } = result;
  // A list, because PostgreSQL keeps the key `__proto__` of an object and JavaScript does not.
  const given = toJson(
    'properties',
    Object.entries(properties).map(([name, value]) => ({ name, value })),
  );
  return statements
    .with('container', (db) =>
      db.selectFrom('containers').select(['id', 'handle']).where('handle', '=', handle).forKeyShare(),
    )
    .with('recorded', (db) =>
      db
        .insertInto('processes')
        .columns([
          'container_id',
          'process_id',
          'exit_status',
          'signal',
          'oom_kills',
          'stdout_bytes',
          'stderr_bytes',
          'command_started_at',
          'command_finished_at',
          'spec_digest',
        ])
        .expression((eb) =>
          eb
            .selectFrom('container')
            .select((eb) => [
              'id',
              eb.val(processId).as('process_id'),
              eb.val(exitStatus).as('exit_status'),
              eb.val(number ?? null).as('signal'),
              eb.val(oomKills ?? null).as('oom_kills'),
              eb.val(stdoutBytes ?? null).as('stdout_bytes'),
              eb.val(stderrBytes ?? null).as('stderr_bytes'),
              eb.cast<Date | null>(eb.val(startedAt?.toISOString() ?? null), 'timestamptz').as('command_started_at'),
              eb.cast<Date | null>(eb.val(finishedAt?.toISOString() ?? null), 'timestamptz').as('command_finished_at'),
              eb.val(specDigest ?? null).as('spec_digest'),
            ]),
        )
        .onConflict((conflict) => conflict.columns(['container_id', 'process_id']).doNothing()),
    )
    .with('set', (db) =>
      db
        .insertInto('container_properties')
        .columns(['container_id', 'name', 'value'])
        .expression((eb) =>
          eb
            .selectFrom([
              'container',
              // One parameter for any number of properties.
              eb.fn<{ value: Property }>('jsonb_array_elements', [eb.cast(eb.val(given), 'jsonb')]).as('given'),
            ])
            .select((eb) => [
              'container.id',
              eb.ref('given.value', '->>').key('name').as('name'),
              eb.ref('given.value', '->>').key('value').as('value'),
            ]),
        )
        .onConflict((conflict) =>
          conflict
            .columns(['container_id', 'name'])
            .doUpdateSet((eb) => ({ value: eb.ref('excluded.value'), updated_at: now() })),
        ),
    )
    .selectFrom('container')
    .select('handle');
}

/** Selects the stored result of a process. */
export function selectResult(
  statements: StatementBuilder,
  handle: string,
  processId: string,
): Compilable<{ row: JsonText<ProcessRow> }> {
  return statements
    .selectFrom('processes')
    .innerJoin('containers', 'containers.id', 'processes.container_id')
    .select((eb) => jsonText(eb.fn.toJson('processes')).as('row'))
    .where('containers.handle', '=', handle)
    .where('processes.process_id', '=', processId);
}
