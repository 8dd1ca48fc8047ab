import { InvalidSpecError } from '../../../errors/caller.ts';
import { RepositoryUnavailableError } from '../../../errors/repository.ts';
import type { AbortOptions } from '../../../runtime/options.ts';
import type { ReservationCount } from '../../../runtime/placement.ts';
import { checkText } from '../../field-checks.ts';
import type { NewReservation, ReservationKey, ReservationRepository } from '../../reservation-repository.ts';
import { sqlStateOf } from '../connection/pg-error.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { checkDuration } from '../input.ts';
import { parse } from '../rows.ts';
import type { StatementBuilder } from '../tables.ts';
import { countPlaces, deleteLapsed, extendPlace, freePlace, type TakenPlace, takePlace } from './reservations.ts';

const maxLimit = 10_000;

/** Reservations in PostgreSQL. */
export class PostgresReservationRepository implements ReservationRepository {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async reserve(reservation: NewReservation, options: AbortOptions = {}): Promise<Date | undefined> {
    checkKey(reservation);
    checkLimit(reservation.limit);
    checkDuration('ttlMs', reservation.ttlMs);
    for (;;) {
      const found = await this.#take(reservation, options);
      const expiresAt = found === undefined ? null : parse(found.expires_at);
      if (expiresAt !== null) return new Date(expiresAt);
      // Another caller has taken the place that this call tried. There may be other free places.
      if (found?.tried === '0') return undefined;
    }
  }

  /** Returns `undefined` if a concurrent call has made the reservation of this ID. */
  async #take(reservation: NewReservation, options: AbortOptions): Promise<TakenPlace | undefined> {
    try {
      const found = await this.#runner.first(takePlace(this.#statements, reservation), options);
      if (found === undefined) throw new RepositoryUnavailableError('a statement returned no row');
      // SQL's null, and not that of JSON.
      return { ...found, expires_at: found.expires_at ?? 'null' };
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      // Either a concurrent call has made the reservation, or the ID has a lapsed row above the
      // limit.
      await this.prune(reservation.workerName, options);
      return undefined;
    }
  }

  async renew(key: ReservationKey, ttlMs: number, options: AbortOptions = {}): Promise<Date | undefined> {
    checkKey(key);
    checkDuration('ttlMs', ttlMs);
    const row = await this.#runner.first(extendPlace(this.#statements, key, ttlMs), options);
    return row === undefined ? undefined : new Date(parse(row.expires_at));
  }

  async release(key: ReservationKey, options: AbortOptions = {}): Promise<boolean> {
    checkKey(key);
    const row = await this.#runner.first(freePlace(this.#statements, key), options);
    return row?.lived === 'true';
  }

  async count(workerName: string, options: AbortOptions = {}): Promise<readonly ReservationCount[]> {
    const rows = await this.#runner.rows(countPlaces(this.#statements, workerName), options);
    return rows.map(({ kind, count }) => ({ kind, count: Number(count) }));
  }

  async prune(workerName: string, options: AbortOptions = {}): Promise<number> {
    const row = await this.#runner.first(deleteLapsed(this.#statements, workerName), options);
    return Number(row?.count ?? 0);
  }
}

/** Whether the ID of a reservation has a row already. */
function isDuplicate(error: unknown): boolean {
  return error instanceof InvalidSpecError && sqlStateOf(error.cause) === '23505';
}

function checkKey({ workerName, kind, id }: ReservationKey): void {
  checkText('workerName', workerName, 253);
  checkText('kind', kind, 253);
  checkText('id', id, 253);
}

function checkLimit(limit: number): void {
  if (!Number.isSafeInteger(limit) || limit < 1 || limit > maxLimit)
    throw new InvalidSpecError('limit', `${limit} is not a whole number from 1 to ${maxLimit}`);
}
