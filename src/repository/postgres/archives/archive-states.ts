import type { Expression, RawBuilder, SqlBool } from 'kysely';
import { expressionBuilder, sql } from 'kysely';

import { creating, now, type Tables } from '../tables.ts';

export const ready: RawBuilder<'ready'> = sql.lit('ready');
export const destroying: RawBuilder<'destroying'> = sql.lit('destroying');
/** The states in which an archive occupies its purpose, as in the index. */
export const occupyingStates: readonly RawBuilder<'creating' | 'ready'>[] = [creating, ready];

/** Returns the condition that a row of `archives` is `creating`, and that its lease has lapsed. */
export function lapsed(): Expression<SqlBool> {
  const eb = expressionBuilder<Tables, 'archives'>();
  return eb.and([eb('archives.state', '=', creating), eb('archives.lease_until', '<', now())]);
}
