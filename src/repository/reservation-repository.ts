import type { AbortOptions } from '../runtime/options.ts';
import type { ReservationCount } from '../runtime/placement.ts';

/** Kinds with this prefix are the library's own. Hosts reserve and count none of them. */
export const reservedKindPrefix = 'kubernetes-worker/';

/** The kind of the reservation that is the lease of the controllers. */
export const controllersKind: string = `${reservedKindPrefix}controllers`;

/**
 * Identifies a reservation.
 *
 * @public
 */
export interface ReservationKey {
  /** The name of the worker. */
  readonly workerName: string;
  /** What is reserved, such as `build-container`: 1 to 253 characters. */
  readonly kind: string;
  /** The ID among the reservations of its kind: 1 to 253 characters. */
  readonly id: string;
}

/**
 * A reservation to make.
 *
 * @public
 */
export interface NewReservation extends ReservationKey {
  /** How many reservations of the kind may live at once, 1 to 10,000. */
  readonly limit: number;
  /** How long the reservation lives, in milliseconds. */
  readonly ttlMs: number;
}

/**
 * Leased places of a limited number, by the database's clock. A reservation that has lapsed does
 * not count.
 *
 * @public
 */
export interface ReservationRepository {
  /**
   * Makes the reservation and returns when it lapses. Returns `undefined`, and changes nothing, if
   * `limit` reservations of the kind live. Renews the reservation of this ID if it lives.
   *
   * Concurrent callers with one limit never have more reservations than it.
   *
   * @throws InvalidSpecError of `workerName` if the worker has no row
   */
  reserve(reservation: NewReservation, options?: AbortOptions): Promise<Date | undefined>;
  /** Extends a living reservation, from now on. Returns `undefined` if it does not live. */
  renew(key: ReservationKey, ttlMs: number, options?: AbortOptions): Promise<Date | undefined>;
  /** Deletes a reservation. Returns whether it lived. Idempotent. */
  release(key: ReservationKey, options?: AbortOptions): Promise<boolean>;
  /** Returns the number of living reservations of each kind that has one, by kind. */
  count(workerName: string, options?: AbortOptions): Promise<readonly ReservationCount[]>;
  /** Deletes the worker's reservations that have lapsed. Returns their number. */
  prune(workerName: string, options?: AbortOptions): Promise<number>;
}
