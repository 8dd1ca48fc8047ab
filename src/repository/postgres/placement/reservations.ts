import type { Compilable } from 'kysely';
import { sql } from 'kysely';

import type { NewReservation, ReservationKey } from '../../reservation-repository.ts';
import { type JsonText, jsonText } from '../rows.ts';
import { fromNow, now, type StatementBuilder } from '../tables.ts';

/** What `takePlace` selects. */
export interface TakenPlace {
  /** When the reservation lapses, as JSON. `null` if there is none. */
  readonly expires_at: JsonText<string | null>;
  /** The number of places that the statement has tried: 0 or 1, as a text. */
  readonly tried: string;
}

/**
 * Renews the living reservation of the ID, or takes a free place of its kind for it. A place is
 * free if it has no row, or one that has lapsed. The primary key lets one of several concurrent
 * statements take it; the others have tried but take none.
 */
export function takePlace(
  statements: StatementBuilder,
  { workerName, kind, id, limit, ttlMs }: NewReservation,
): Compilable<TakenPlace> {
  return statements
    .with('held', (db) =>
      db
        .selectFrom('reservations')
        .select((eb) => ['place', 'id', eb('expires_at', '>', now()).as('lives')])
        .where('worker_name', '=', workerName)
        .where('kind', '=', kind),
    )
    .with('renewed', (db) =>
      db
        .updateTable('reservations')
        .set({ expires_at: fromNow(ttlMs) })
        .where('worker_name', '=', workerName)
        .where('kind', '=', kind)
        .where('id', '=', id)
        .where('expires_at', '>', now())
        .returning('expires_at'),
    )
    .with('free', (db) =>
      db
        // `sql`: the builder has no functions that return rows of numbers.
        .selectFrom(sql<{ place: number }>`generate_series(1, ${limit}::integer)`.as<'places'>(sql`places(place)`))
        .select('places.place')
        .where((eb) => eb.not(eb.exists(eb.selectFrom('renewed').select('renewed.expires_at'))))
        .where((eb) =>
          eb(eb.selectFrom('held').select(eb.fn.countAll().as('count')).where('held.lives', '=', true), '<', limit),
        )
        .where((eb) =>
          eb.not(
            eb.exists(
              eb
                .selectFrom('held')
                .select('held.id')
                .whereRef('held.place', '=', 'places.place')
                .where('held.lives', '=', true),
            ),
          ),
        )
        // The lapsed row of the ID comes first, because it must not stay beside a new one.
        // Otherwise the order is random, so that concurrent statements rarely try the same place.
        .orderBy(
          (eb) =>
            eb.exists(
              eb
                .selectFrom('held')
                .select('held.id')
                .whereRef('held.place', '=', 'places.place')
                .where('held.id', '=', id),
            ),
          'desc',
        )
        .orderBy(sql`random()`)
        .limit(1),
    )
    .with('taken', (db) =>
      db
        .insertInto('reservations')
        .columns(['worker_name', 'kind', 'place', 'id', 'expires_at'])
        .expression((eb) =>
          eb
            .selectFrom('free')
            .select((eb) => [
              eb.val(workerName).as('worker_name'),
              eb.val(kind).as('kind'),
              'free.place',
              eb.val(id).as('id'),
              fromNow(ttlMs).as('expires_at'),
            ]),
        )
        .onConflict((conflict) =>
          conflict
            .columns(['worker_name', 'kind', 'place'])
            .doUpdateSet((eb) => ({
              id: eb.ref('excluded.id'),
              expires_at: eb.ref('excluded.expires_at'),
              reserved_at: now(),
            }))
            .where('reservations.expires_at', '<=', now()),
        )
        .returning('expires_at'),
    )
    .selectNoFrom((eb) => [
      jsonText(
        eb.fn<string | null>('to_json', [
          eb.fn.coalesce(eb.selectFrom('renewed').select('expires_at'), eb.selectFrom('taken').select('expires_at')),
        ]),
      ).as('expires_at'),
      eb.cast<string>(eb.selectFrom('free').select(eb.fn.countAll().as('count')), 'text').as('tried'),
    ]);
}

/** Extends a living reservation. Selects no row if it does not live. */
export function extendPlace(
  statements: StatementBuilder,
  { workerName, kind, id }: ReservationKey,
  ttlMs: number,
): Compilable<{ expires_at: JsonText<string> }> {
  return statements
    .updateTable('reservations')
    .set({ expires_at: fromNow(ttlMs) })
    .where('worker_name', '=', workerName)
    .where('kind', '=', kind)
    .where('id', '=', id)
    .where('expires_at', '>', now())
    .returning((eb) => jsonText(eb.fn<string>('to_json', ['expires_at'])).as('expires_at'));
}

/** Deletes a reservation. Selects as a text whether it lived. */
export function freePlace(
  statements: StatementBuilder,
  { workerName, kind, id }: ReservationKey,
): Compilable<{ lived: string }> {
  return statements
    .deleteFrom('reservations')
    .where('worker_name', '=', workerName)
    .where('kind', '=', kind)
    .where('id', '=', id)
    .returning((eb) => eb.cast<string>(eb('expires_at', '>', now()), 'text').as('lived'));
}

/** Selects the number of living reservations of each kind. */
export function countPlaces(
  statements: StatementBuilder,
  workerName: string,
): Compilable<{ kind: string; count: string }> {
  return statements
    .selectFrom('reservations')
    .select((eb) => ['kind', eb.cast<string>(eb.fn.countAll(), 'text').as('count')])
    .where('worker_name', '=', workerName)
    .where('expires_at', '>', now())
    .groupBy('kind')
    .orderBy('kind');
}

/** Deletes what has lapsed. */
export function deleteLapsed(statements: StatementBuilder, workerName: string): Compilable<{ count: string }> {
  return statements
    .with('lapsed', (db) =>
      db
        .deleteFrom('reservations')
        .where('worker_name', '=', workerName)
        .where('expires_at', '<=', now())
        .returning('id'),
    )
    .selectFrom('lapsed')
    .select((eb) => eb.cast<string>(eb.fn.countAll(), 'text').as('count'));
}
