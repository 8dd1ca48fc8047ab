import { randomUUID } from 'node:crypto';

import type { Clock, ContainerOwner, Reservation, Worker } from '../../index.ts';

/** The kind of the owners that the command `run` makes. */
export const runOwnerKind = 'cli-run';

/** How long the owner of a run that was killed has its container. Longer than a database is restarted. */
const ttlMs = 600_000;
const renewEveryMs = 120_000;
const retryMs = 10_000;

/** Returns the kind of the one reservation that a run has while it lives. */
export function runReservationKind({ kind, key }: ContainerOwner): string {
  return `${kind}/${key}`;
}

interface RunOwnerParts {
  readonly owner: ContainerOwner;
  readonly worker: Pick<Worker, 'reserve'>;
  readonly clock: Clock;
  readonly reservation: Reservation | undefined;
}

/**
 * The owner of one run of the command `run`. It has a reservation, which its process renews: without
 * one, the owner of a container counts as dead. Disposal releases the reservation.
 */
export class RunOwner implements AsyncDisposable {
  readonly owner: ContainerOwner;
  readonly #worker: Pick<Worker, 'reserve'>;
  readonly #clock: Clock;
  readonly #ending = new AbortController();
  readonly #renewing: Promise<void>;
  #reservation: Reservation | undefined;

  /** Reserves before there is a container, so that a container without a reservation has no process. */
  static async create(worker: Pick<Worker, 'reserve'>, clock: Clock, signal: AbortSignal): Promise<RunOwner> {
    const owner = { kind: runOwnerKind, key: randomUUID() };
    const reservation = await reserve(worker, owner, signal);
    return new RunOwner({ owner, worker, clock, reservation });
  }

  private constructor({ owner, worker, clock, reservation }: RunOwnerParts) {
    this.owner = owner;
    this.#worker = worker;
    this.#clock = clock;
    this.#reservation = reservation;
    this.#renewing = this.#renewUntilEnd();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#renewing;
    // It lapses otherwise. The end of the run is not affected.
    await this.#reservation?.release().catch(() => undefined);
  }

  async #renewUntilEnd(): Promise<void> {
    const { signal } = this.#ending;
    let delayMs = renewEveryMs;
    while (await this.#pause(delayMs)) {
      // The database may be away for a time. What the run itself needs of it fails visibly.
      const isRenewed = await this.#renew(signal).catch(() => false);
      delayMs = isRenewed ? renewEveryMs : retryMs;
    }
  }

  /** Resolves with whether the time is over, and not the run. */
  async #pause(delayMs: number): Promise<boolean> {
    const { signal } = this.#ending;
    await this.#clock.sleep(delayMs, { signal }).catch(() => undefined);
    return !signal.aborted;
  }

  async #renew(signal: AbortSignal): Promise<boolean> {
    if ((await this.#reservation?.renew({ signal })) === true) return true;
    this.#reservation = await reserve(this.#worker, this.owner, signal);
    return this.#reservation !== undefined;
  }
}

async function reserve(
  worker: Pick<Worker, 'reserve'>,
  owner: ContainerOwner,
  signal: AbortSignal,
): Promise<Reservation | undefined> {
  return await worker.reserve({ kind: runReservationKind(owner), id: 'run', limit: 1, ttlMs }, { signal });
}
