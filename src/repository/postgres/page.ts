import { type Expression, expressionBuilder, type SqlBool } from 'kysely';

import { InvalidSpecError } from '../../errors/caller.ts';
import { decodeCursor, encodeCursor, type RowPlace } from './page-cursor.ts';
import type { Tables } from './tables.ts';

const defaultLimit = 100;
const maxLimit = 1000;

/** The part of a list, ordered by `created_at` and `id`, that a query requests. */
export interface PageTerms {
  readonly limit: number;
  /** The last row of the previous page. `undefined` for the first page. */
  readonly after: RowPlace | undefined;
}

/** @throws InvalidSpecError */
export function pageTerms({
  after,
  limit = defaultLimit,
}: {
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}): PageTerms {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > maxLimit)
    throw new InvalidSpecError('limit', `must be a whole number from 1 to ${maxLimit}`);
  return { limit, after: after === undefined ? undefined : decodeCursor('after', after) };
}

/** Returns the condition of the rows after a place; none without a place. */
export function rowsAfter(table: 'containers' | 'volumes', after: RowPlace | undefined): Expression<SqlBool>[] {
  if (after === undefined) return [];
  const eb = expressionBuilder<Tables, 'containers' | 'volumes'>();
  const createdAt = eb.cast<Date>(eb.val(after.createdAt), 'timestamptz');
  const place = eb.tuple(createdAt, eb.cast<`${number}`>(eb.val(after.id), 'bigint'));
  return [eb(eb.refTuple(`${table}.created_at`, `${table}.id`), '>', place)];
}

/** Returns the rows of a page and its cursor. The statement has read one row more than the limit. */
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  placeOf: (row: Row) => { readonly created_at: string; readonly id: number },
): { readonly page: readonly Row[]; readonly next: { readonly next?: string } } {
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  if (last === undefined) return { page, next: {} };
  const { created_at: createdAt, id } = placeOf(last);
  return { page, next: { next: encodeCursor({ createdAt, id }) } };
}
