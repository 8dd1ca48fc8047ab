import type { AliasableExpression, Expression, Selectable, ShallowDehydrateObject, SqlBool } from 'kysely';
import { expressionBuilder, sql } from 'kysely';

import type { ArchiveRecord } from '../../archive-repository.ts';
import type { ArchiveReference } from '../../records.ts';
import type { Tables } from '../tables.ts';

/** A row of `archives` as JSON has it. */
export type ArchiveRow = ShallowDehydrateObject<Selectable<Tables['archives']>>;

export function toArchive(row: ArchiveRow): ArchiveRecord {
  return {
    id: row.id,
    workerName: row.worker_name,
    store: row.store,
    state: row.state,
    attempt: row.attempt,
    reference: toReference(row),
    lastUsedAt: new Date(row.last_used_at),
  };
}

/** A constraint lets a row have all columns of the content or none. */
function toReference(row: ArchiveRow): ArchiveReference | undefined {
  const { id, store, key, raw_bytes: rawBytes, digest, stored_bytes: storedBytes, stored_digest: storedDigest } = row;
  if (key === null || rawBytes === null || digest === null || storedBytes === null || storedDigest === null)
    return undefined;
  return { id, store, key, rawBytes, digest, storedBytes, storedDigest };
}

/** The parts of an `ArchiveReference`. */
const columnOfPart = {
  id: 'used.id',
  store: 'used.store',
  key: 'used.key',
  rawBytes: 'used.raw_bytes',
  digest: 'used.digest',
  storedBytes: 'used.stored_bytes',
  storedDigest: 'used.stored_digest',
} as const;

/** Returns the `ArchiveReference` of a row of a table expression with the name `used`, as `jsonb`. */
export function referenceOfUsed(): AliasableExpression<string> {
  const eb = expressionBuilder<Tables & { readonly used: Selectable<Tables['archives']> }, 'used'>();
  const parts = Object.entries(columnOfPart).flatMap(([part, column]) => [sql.lit(part), eb.ref(column)]);
  return eb.fn<string>('jsonb_build_object', parts);
}

/**
 * Returns the ID of the archive that is the content of a row of `volumes`, or null. A host of an
 * earlier version changes `ready_at` and leaves the archive, which is then outdated.
 */
export function currentArchive(): Expression<string | null> {
  const eb = expressionBuilder<Tables, 'volumes'>();
  return eb
    .case()
    .when('volumes.archive_ready_at', '=', eb.ref('volumes.ready_at'))
    .then(eb.ref('volumes.archive_id'))
    .end();
}

/** The columns of a volume whose content is in no archive. */
export const withoutArchive = { archive_id: null, archive: null, archive_ready_at: null, unsaved_at: null } as const;

/**
 * Returns the condition that any volume refers to a row of `archives`, including to outdated
 * content.
 */
export function isReferenced(): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'archives'>();
  // Unlike for `exists`, the planner never finds a value by a scan of all volumes.
  const reference = eb
    .selectFrom('volumes')
    .select('volumes.id')
    .whereRef('volumes.archive_id', '=', 'archives.id')
    .limit(1);
  return eb(reference, 'is not', null);
}
