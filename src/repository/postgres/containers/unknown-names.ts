import type { Compilable } from 'kysely';
import { jsonArrayFrom } from 'kysely/helpers/postgres';

import { RepositoryUnavailableError } from '../../../errors/repository.ts';
import type { AbortOptions } from '../../../runtime/options.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { type JsonText, jsonText, parse } from '../rows.ts';
import type { StatementBuilder } from '../tables.ts';

/**
 * The names that are in use, and whether the server is a standby, which may lack the newest rows.
 */
export interface KnownNames {
  readonly known: JsonText<readonly { readonly name: string }[]>;
  readonly is_standby: string;
}

/** Selects those of the handles that a container or a volume has. */
export function knownHandles(statements: StatementBuilder, handles: readonly string[]): Compilable<KnownNames> {
  return statements
    .with('known', (db) =>
      db
        .selectFrom('containers')
        .select('handle as name')
        .where('handle', 'in', handles)
        .union(db.selectFrom('volumes').select('handle as name').where('handle', 'in', handles)),
    )
    .selectNoFrom((eb) => [
      jsonText(jsonArrayFrom(eb.selectFrom('known').select('name'))).as('known'),
      eb.cast<string>(eb.fn('pg_is_in_recovery'), 'text').as('is_standby'),
    ]);
}

/** Selects those of the names that a worker has. */
export function knownWorkers(statements: StatementBuilder, names: readonly string[]): Compilable<KnownNames> {
  return statements.selectNoFrom((eb) => [
    jsonText(jsonArrayFrom(eb.selectFrom('workers').select('name').where('name', 'in', names))).as('known'),
    eb.cast<string>(eb.fn('pg_is_in_recovery'), 'text').as('is_standby'),
  ]);
}

/**
 * Returns the names that the statement has not found.
 *
 * @throws RepositoryUnavailableError - the server is a standby
 */
export async function findUnknown(
  runner: StatementRunner,
  statement: Compilable<KnownNames>,
  names: readonly string[],
  options: AbortOptions,
): Promise<readonly string[]> {
  const found = await runner.first(statement, options);
  if (found?.is_standby !== 'false')
    throw new RepositoryUnavailableError('the database is a standby, which may lack the newest rows');
  const known = new Set(parse(found.known).map(({ name }) => name));
  return names.filter((name) => !known.has(name));
}
