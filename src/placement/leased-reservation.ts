import type { EmitEvent } from '../events/emit-event.ts';
import type { ReservationKey, ReservationRepository } from '../repository/reservation-repository.ts';
import type { AbortOptions } from '../runtime/options.ts';
import type { Reservation } from '../runtime/placement.ts';

export interface LeasedReservationComponents {
  readonly expiresAt: Date;
  readonly ttlMs: number;
  readonly reservations: Pick<ReservationRepository, 'renew' | 'release'>;
  readonly emit: EmitEvent;
}

/** A reservation with its row in the database. */
export class LeasedReservation implements Reservation {
  readonly kind: string;
  readonly id: string;
  readonly #key: ReservationKey;
  readonly #components: LeasedReservationComponents;
  #expiresAt: Date;

  constructor(key: ReservationKey, components: LeasedReservationComponents) {
    this.kind = key.kind;
    this.id = key.id;
    this.#key = key;
    this.#components = components;
    this.#expiresAt = components.expiresAt;
  }

  get expiresAt(): Date {
    return this.#expiresAt;
  }

  async renew(options: AbortOptions = {}): Promise<boolean> {
    const { reservations, ttlMs } = this.#components;
    const expiresAt = await reservations.renew(this.#key, ttlMs, options);
    if (expiresAt === undefined) return false;
    this.#expiresAt = expiresAt;
    return true;
  }

  async release(options: AbortOptions = {}): Promise<void> {
    const { reservations, emit } = this.#components;
    const lived = await reservations.release(this.#key, options);
    if (lived) emit({ kind: 'capacity-released', by: 'reservation', name: this.kind });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}
