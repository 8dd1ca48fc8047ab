import type { Compilable } from 'kysely';

import type { ArchiveLease, NewArchive } from '../../archive-repository.ts';
import { type JsonText, jsonText } from '../rows.ts';
import { creating, fromNow, now, type StatementBuilder } from '../tables.ts';
import type { ArchiveRow } from './archive-rows.ts';
import { lapsed, occupyingStates } from './archive-states.ts';

/** A row of `archives`, and whether the caller holds its lease. */
export interface BegunRow {
  readonly row: JsonText<ArchiveRow & { readonly holds: boolean }>;
}

/**
 * Inserts an archive as `creating`. If another archive has the purpose, selects that archive. If its
 * lease has lapsed, the caller takes it over with the next attempt. A repeated call finds the
 * archive that it has inserted, and holds it. Selects no row if another statement has inserted an
 * archive with the purpose in the meantime.
 */
export function beginArchive(statements: StatementBuilder, archive: NewArchive): Compilable<BegunRow> {
  const { id, workerName, store, lease } = archive;
  const claim = archive.purpose ?? null;
  return statements
    .with('taken', (db) =>
      db
        .updateTable('archives')
        .set((eb) => ({
          lease_holder: lease.holder,
          lease_until: fromNow(lease.durationMs),
          attempt: eb('attempt', '+', 1),
          attempted_at: now(),
        }))
        .where('worker_name', '=', workerName)
        .where('claim', '=', claim)
        .where(lapsed())
        .returningAll(),
    )
    .with('found', (db) =>
      db
        .selectFrom('archives')
        .selectAll()
        .where('state', 'in', occupyingStates)
        .where((eb) =>
          eb.or([
            eb.and([eb('worker_name', '=', workerName), eb('claim', '=', claim)]),
            // The caller has begun it and repeats the call.
            eb.and([eb('id', '=', id), eb('lease_holder', '=', lease.holder), eb('state', '=', creating)]),
          ]),
        )
        .where((eb) => eb.not(eb.exists(eb.selectFrom('taken').select('taken.id')))),
    )
    .with('inserted', (db) =>
      db
        .insertInto('archives')
        .columns(['id', 'worker_name', 'store', 'state', 'claim', 'lease_holder', 'lease_until'])
        .expression(
          db
            .selectNoFrom((select) => [
              select.cast<string>(select.val(id), 'uuid').as('id'),
              select.val(workerName).as('worker_name'),
              select.val(store).as('store'),
              creating.as('state'),
              select.val(claim).as('claim'),
              select.val(lease.holder).as('lease_holder'),
              fromNow(lease.durationMs).as('lease_until'),
            ])
            .where((where) => where.not(where.exists(where.selectFrom('taken').select('taken.id'))))
            .where((where) => where.not(where.exists(where.selectFrom('found').select('found.id')))),
        )
        .onConflict((conflict) =>
          conflict
            .columns(['worker_name', 'claim'])
            .where('claim', 'is not', null)
            .where('state', 'in', occupyingStates)
            .doNothing(),
        )
        .returningAll(),
    )
    .with('begun', (db) =>
      db
        .selectFrom('taken')
        .selectAll()
        .select((eb) => eb.lit<boolean>(true).as('holds'))
        .unionAll(
          db
            .selectFrom('inserted')
            .selectAll()
            .select((eb) => eb.lit<boolean>(true).as('holds')),
        )
        .unionAll(
          db
            .selectFrom('found')
            .selectAll()
            .select((eb) =>
              eb
                .and([
                  eb('found.state', '=', creating),
                  eb('found.id', '=', id),
                  eb('found.lease_holder', '=', lease.holder),
                ])
                .$castTo<boolean>()
                .as('holds'),
            ),
        ),
    )
    .selectFrom('begun')
    .select((eb) => jsonText(eb.fn.toJson('begun')).as('row'));
}

/** Begins the next attempt of an archive. Selects no row if the holder has lost its lease. */
export function beginNextAttempt(
  statements: StatementBuilder,
  id: string,
  lease: ArchiveLease,
): Compilable<{ row: JsonText<ArchiveRow> }> {
  return statements
    .updateTable('archives')
    .set((eb) => ({ lease_until: fromNow(lease.durationMs), attempt: eb('attempt', '+', 1), attempted_at: now() }))
    .where('id', '=', id)
    .where('state', '=', creating)
    .where('lease_holder', '=', lease.holder)
    .returning((eb) => jsonText(eb.fn.toJson('archives')).as('row'));
}

/** Extends a lease from now. Selects no row if the holder has lost it. */
export function extendArchiveLease(
  statements: StatementBuilder,
  id: string,
  lease: ArchiveLease,
): Compilable<{ id: string }> {
  return statements
    .updateTable('archives')
    .set({ lease_until: fromNow(lease.durationMs) })
    .where('id', '=', id)
    .where('state', '=', creating)
    .where('lease_holder', '=', lease.holder)
    .returning('id');
}

/** Moves an archive from `creating` to `destroying` if the holder has its lease. */
export function abandonArchive(statements: StatementBuilder, id: string, holder: string): Compilable<{ id: string }> {
  return statements
    .updateTable('archives')
    .set({ state: 'destroying', lease_until: null })
    .where('id', '=', id)
    .where('state', '=', creating)
    .where('lease_holder', '=', holder)
    .returning('id');
}
