import { type Expression, expressionBuilder, type SqlBool } from 'kysely';

import { checkPageLimit } from '../field-checks.ts';
import { decodeCursor, encodeCursor, type RowPlace } from './page-cursor.ts';
import type { Tables } from './tables.ts';

const defaultLimit = 100;

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
  checkPageLimit(limit);
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

/** The columns that lists are ordered by, as JSON has them. */
export interface PlacedRow {
  readonly created_at: string;
  readonly id: number;
}

/** Returns the cursor after a row. */
export function cursorOf({ created_at: createdAt, id }: PlacedRow): string {
  return encodeCursor({ createdAt, id });
}

/** Returns the rows of a page and its cursor. The statement has read one row more than the limit. */
export function pageOf<Row>(
  rows: readonly Row[],
  limit: number,
  placeOf: (row: Row) => PlacedRow,
): { readonly page: readonly Row[]; readonly next: { readonly next?: string } } {
  const page = rows.slice(0, limit);
  const last = rows.length > limit ? page.at(-1) : undefined;
  return { page, next: last === undefined ? {} : { next: cursorOf(placeOf(last)) } };
}
