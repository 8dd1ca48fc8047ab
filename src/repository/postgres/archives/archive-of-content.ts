import type { Compilable } from 'kysely';

import type { RawContent } from '../../records.ts';
import { type JsonText, jsonText } from '../rows.ts';
import type { StatementBuilder } from '../tables.ts';
import type { ArchiveRow } from './archive-rows.ts';
import { ready } from './archive-states.ts';

/** Selects the most recently used archive of a store that is ready and has this content. */
export function selectArchiveOf(
  statements: StatementBuilder,
  workerName: string,
  store: string,
  { digest, rawBytes }: RawContent,
): Compilable<{ row: JsonText<ArchiveRow> }> {
  return statements
    .selectFrom('archives')
    .select((eb) => jsonText(eb.fn.toJson('archives')).as('row'))
    .where('worker_name', '=', workerName)
    .where('store', '=', store)
    .where('digest', '=', digest)
    .where((eb) => eb('raw_bytes', '=', eb.cast<`${number}`>(eb.val(rawBytes), 'bigint')))
    .where('state', '=', ready)
    .orderBy('last_used_at', 'desc')
    .orderBy('id')
    .limit(1);
}
