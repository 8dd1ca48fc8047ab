import { CallsUnderWay } from '../../../internal/calls-under-way.ts';
import type { Logger } from '../../../runtime/options.ts';
import type { DatabaseClient, DatabasePool, DatabaseUrl } from './database.ts';
import type { OwnPool } from './pg-pool.ts';

export interface RenewedPoolOptions {
  readonly read: DatabaseUrl;
  /** Returns a pool for a URL, without a connection yet. */
  readonly open: (url: string) => Promise<OwnPool>;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

interface OpenedPool {
  readonly url: string;
  readonly pool: OwnPool;
  /** Calls that wait for a connection. A pool of `pg` that ends never serves them. */
  readonly calls: CallsUnderWay;
}

/**
 * A pool for a URL that may be replaced. When a connection cannot be opened, the URL is read again. If
 * it differs, a new pool takes over, and the old one closes when its connections are returned.
 */
export class RenewedPool implements DatabasePool {
  readonly #options: RenewedPoolOptions;
  #current: OpenedPool;
  #renewing: Promise<OpenedPool | undefined> | undefined;
  /** Settles when the pools before the current one have closed. */
  #replaced: Promise<unknown> = Promise.resolve();
  #isEnded = false;

  /** Rejects with the failure of the first reading. */
  static async open(options: RenewedPoolOptions): Promise<RenewedPool> {
    return new RenewedPool(options, await opened(await options.read(), options));
  }

  private constructor(options: RenewedPoolOptions, first: OpenedPool) {
    this.#options = options;
    this.#current = first;
  }

  get totalCount(): number | undefined {
    return this.#current.pool.totalCount;
  }

  get idleCount(): number | undefined {
    return this.#current.pool.idleCount;
  }

  get waitingCount(): number | undefined {
    return this.#current.pool.waitingCount;
  }

  async connect(): Promise<DatabaseClient> {
    const used = this.#current;
    try {
      return await used.calls.run(() => used.pool.connect(), {});
    } catch (error) {
      const renewed = await this.#renew(used);
      if (renewed === undefined) throw error;
      return await renewed.pool.connect();
    }
  }

  async end(): Promise<void> {
    this.#isEnded = true;
    await this.#renewing;
    await Promise.all([this.#current.pool.end(), this.#replaced]);
  }

  /** Returns the pool that replaces one that has failed, or `undefined` if its URL is the present one. */
  async #renew(failed: OpenedPool): Promise<OpenedPool | undefined> {
    if (this.#isEnded) return undefined;
    if (this.#current !== failed) return this.#current;
    this.#renewing ??= this.#differing(failed).finally(() => (this.#renewing = undefined));
    return await this.#renewing;
  }

  async #differing(failed: OpenedPool): Promise<OpenedPool | undefined> {
    const { read, logger } = this.#options;
    try {
      const url = await read();
      if (url === failed.url) return undefined;
      this.#current = await opened(url, this.#options);
    } catch (error) {
      // The caller's error may contain anything.
      const reason = error instanceof Error ? error.name : typeof error;
      logger.warn('the URL of the database cannot be replaced', { reason });
      return undefined;
    }
    logger.info('the URL of the database was replaced');
    const closed = close(failed).catch((error: unknown) => {
      logger.warn('a database pool did not close', { error: String(error) });
    });
    this.#replaced = Promise.all([this.#replaced, closed]);
    return this.#current;
  }
}

async function opened(url: string, { open }: RenewedPoolOptions): Promise<OpenedPool> {
  return { url, pool: await open(url), calls: new CallsUnderWay() };
}

async function close({ pool, calls }: OpenedPool): Promise<void> {
  await calls.close(new Error('the URL was replaced'));
  await pool.end();
}
