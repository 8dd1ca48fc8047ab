import type { Compilable } from 'kysely';

import { InvalidSpecError } from '../../errors/caller.ts';
import { checkStorable } from '../field-checks.ts';
import { type JsonText, jsonText, parse } from './rows.ts';
import { anyOf, type StatementBuilder } from './tables.ts';

/** The maximum number of rows that one statement deletes. */
const maxHandles = 1_000;

/** @throws InvalidSpecError */
export function checkHandles(handles: readonly string[]): void {
  if (handles.length > maxHandles) throw new InvalidSpecError('handles', `must have at most ${maxHandles} entries`);
  for (const handle of handles) checkStorable('handles', handle);
}

/** What `deleteAllContainers` has deleted. */
export interface DeletedRows {
  /** Null if the statement has deleted no row. */
  readonly handles: JsonText<readonly string[]> | null;
  readonly volumes: string | null;
}

export function deletedHandles(rows: Pick<DeletedRows, 'handles'> | undefined): readonly string[] {
  return rows === undefined || rows.handles === null ? [] : parse(rows.handles);
}

/**
 * Deletes those of the containers that are `destroying`, with their volumes. Skips locked rows, so
 * that a locked row does not delay the others and two such statements never wait for each other.
 */
export function deleteAllContainers(statements: StatementBuilder, handles: readonly string[]): Compilable<DeletedRows> {
  return statements
    .with('due', (db) =>
      db
        .selectFrom('containers')
        .select('id')
        .where('handle', 'in', handles)
        .where('state', '=', 'destroying')
        .forUpdate()
        .skipLocked(),
    )
    .with('deleted', (db) =>
      db
        .deleteFrom('containers')
        .where('id', '=', anyOf(db.selectFrom('due').select('id')))
        .returning(['id', 'handle']),
    )
    .with('mounted', (db) =>
      db.deleteFrom('volumes').where('container_id', 'in', db.selectFrom('deleted').select('id')).returning('handle'),
    )
    .selectFrom('deleted')
    .select((eb) => [
      jsonText(eb.fn<readonly string[]>('json_agg', ['deleted.handle'])).as('handles'),
      eb
        .cast<string>(
          eb.selectFrom('mounted').select((mounted) => mounted.fn.countAll().as('count')),
          'text',
        )
        .as('volumes'),
    ]);
}

/** Deletes those of the artifact volumes that are `destroying`. Skips locked rows, as above. */
export function deleteAllVolumes(
  statements: StatementBuilder,
  handles: readonly string[],
): Compilable<Pick<DeletedRows, 'handles'>> {
  return statements
    .with('due', (db) =>
      db
        .selectFrom('volumes')
        .select('id')
        .where('handle', 'in', handles)
        .where('container_id', 'is', null)
        .where('state', '=', 'destroying')
        .forUpdate()
        .skipLocked(),
    )
    .with('deleted', (db) =>
      db
        .deleteFrom('volumes')
        .where('id', '=', anyOf(db.selectFrom('due').select('id')))
        .returning('handle'),
    )
    .selectFrom('deleted')
    .select((eb) => jsonText(eb.fn<readonly string[]>('json_agg', ['deleted.handle'])).as('handles'));
}
