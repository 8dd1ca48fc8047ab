import { InvalidSpecError } from '../errors/caller.ts';
import { keepLease } from '../internal/lease-keeper.ts';
import { within } from '../internal/within.ts';
import { controllersKind as kind, type ReservationRepository } from '../repository/reservation-repository.ts';
import type { Clock, Logger } from '../runtime/options.ts';
import type { Leadership, LeadershipRole } from '../runtime/worker-controllers.ts';

/** Work that runs while its object leads. Started once, and closed once. */
export interface Controller {
  start(): void;
  close(): Promise<void>;
}

export interface LeaderElectionComponents {
  readonly workerName: string;
  /** A name that no other object uses. */
  readonly holder: string;
  readonly reservations: Pick<ReservationRepository, 'reserve' | 'release'>;
  /** Returns the controllers of one term. */
  readonly controllers: () => readonly Controller[];
  /** Called with whether this object leads, after each answer and at the end of a lease. */
  readonly leads?: ((leads: boolean) => void) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** After the leader has died, a follower leads within this time plus one try. */
const leaseMs = 10_000;
const renewEveryMs = 3_000;
/** How soon a follower notices that the lease was released. */
const tryEveryMs = 1_000;
/** The time limit of a statement, after which the next try follows. */
const statementMs = 3_000;

/** The lease was lost: another holder has it, or it has expired by the local clock. */
class LeadershipLost extends Error {}

/**
 * Runs the controllers of a worker in one object at a time. The lease is a reservation of the only
 * place of its kind, by the database's clock. The leader ends its controllers when the lease ends
 * by its own clock. If the leader was suspended and another object leads by now, its statements
 * still run until then: they are guarded, and have no effect.
 */
export class LeaderElection {
  readonly #components: LeaderElectionComponents;
  readonly #closing = new AbortController();
  #role: LeadershipRole = 'unknown';
  #confirmedAt: number | undefined;
  #hasFailed = false;
  #running: Promise<void> | undefined;

  constructor(components: LeaderElectionComponents) {
    this.#components = components;
  }

  get leadership(): Leadership {
    return {
      role: this.#role,
      confirmedAt: this.#confirmedAt === undefined ? undefined : new Date(this.#confirmedAt),
    };
  }

  start(): void {
    this.#running ??= this.#run(this.#closing.signal);
  }

  /** Ends the controllers and releases the lease. Resolves when both are done. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#role = 'none';
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#components;
    while (!signal.aborted) {
      const requestedAt = clock.now();
      const outcome = await this.#tryToLead(signal);
      if (outcome === 'retired') return;
      if (outcome === 'leader') await this.#lead(requestedAt, signal);
      await clock.sleep(tryEveryMs, { signal }).catch(() => undefined);
    }
  }

  /** Returns `unknown` if the database does not answer. */
  async #tryToLead(signal: AbortSignal): Promise<LeadershipRole | 'retired'> {
    const { workerName, clock, logger } = this.#components;
    try {
      const acquired = await within(statementMs, clock, (trying) => this.#acquire(trying), signal);
      this.#confirm(acquired ? 'leader' : 'follower');
    } catch (error) {
      if (signal.aborted) return 'unknown';
      this.#role = 'unknown';
      // The worker's row no longer exists. Another `open` may register its name again.
      if (error instanceof InvalidSpecError && error.field === 'workerName') {
        logger.info('controllers end: the worker no longer exists', { workerName });
        return 'retired';
      }
      if (!this.#hasFailed) logger.warn('lease of the controllers not acquired', { workerName, error });
      this.#hasFailed = true;
    }
    return this.#role;
  }

  async #acquire(signal: AbortSignal): Promise<boolean> {
    const { workerName, holder, reservations } = this.#components;
    const lease = { workerName, kind, id: holder, limit: 1, ttlMs: leaseMs };
    return (await reservations.reserve(lease, { signal })) !== undefined;
  }

  /** Runs the controllers until the lease is lost or the signal aborts. */
  async #lead(requestedAt: number, signal: AbortSignal): Promise<void> {
    const { workerName, controllers, clock, logger } = this.#components;
    logger.info('controllers begin: this object leads', { workerName });
    const renew = async (renewing: AbortSignal): Promise<boolean> => {
      const isRenewed = await this.#acquire(renewing);
      if (isRenewed) this.#confirm('leader');
      return isRenewed;
    };
    const lost = (): Error => new LeadershipLost(`the lease of the controllers of ${workerName} was lost`);
    const terms = { lost, renew, everyMs: renewEveryMs, durationMs: leaseMs, requestedAt, clock, signal };
    await keepLease(terms, async (held) => await runUntil(held, controllers()));
    this.#components.leads?.(false);
    if (signal.aborted) await this.#handBack();
    else {
      this.#role = 'unknown';
      logger.warn('controllers end: the lease was lost', { workerName });
    }
  }

  async #handBack(): Promise<void> {
    const { workerName, holder, reservations, clock, logger } = this.#components;
    const release = (releasing: AbortSignal): Promise<boolean> =>
      reservations.release({ workerName, kind, id: holder }, { signal: releasing });
    await within(statementMs, clock, release).then(
      () => logger.info('controllers end: the lease was handed back', { workerName }),
      (error: unknown) => logger.warn('lease of the controllers not handed back', { workerName, error }),
    );
  }

  #confirm(role: LeadershipRole): void {
    const { workerName, leads, clock, logger } = this.#components;
    leads?.(role === 'leader');
    if (this.#hasFailed) logger.info('the election of a leader continues', { workerName, role });
    this.#hasFailed = false;
    this.#role = role;
    this.#confirmedAt = clock.now();
  }
}

/** Runs controllers until the signal aborts, and waits until they have ended. */
async function runUntil(signal: AbortSignal, controllers: readonly Controller[]): Promise<void> {
  for (const controller of controllers) controller.start();
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  await Promise.all(controllers.map((controller) => controller.close()));
}
