import { RepositoryUnavailableError } from '../../../errors/repository.ts';
import type { AbortOptions } from '../../../runtime/options.ts';
import type {
  BlessOutcome,
  CacheKey,
  CacheLimits,
  CacheRepository,
  InvalidateOptions,
  NewCache,
} from '../../cache-repository.ts';
import { checkText } from '../../field-checks.ts';
import type { VolumeRecord } from '../../records.ts';
import type { StatementRunner } from '../connection/statement-runner.ts';
import { checkCount, checkDuration } from '../input.ts';
import { parse, toVolume } from '../rows.ts';
import { fromNow, liveStates, now, type StatementBuilder } from '../tables.ts';
import { type Blessing, blessVolume } from './bless-volume.ts';
import { dropCache, findAndRenew, findOrigin, invalidateCaches, type SharedKey } from './cache-validity.ts';
import { limitCaches } from './limit-caches.ts';

/**
 * The maximum number of characters of a key: those of a task cache, in which each may be escaped.
 */
const maxKeyCharacters = 32_768;
/**
 * How often a blessing that replaces a cache is tried. At each failure, another blessing has
 * succeeded.
 */
const blessRounds = 100;

/**
 * Caches in PostgreSQL. Every method is one statement, except a blessing that meets another one of
 * its key: a second statement then replaces that one's cache.
 */
export class PostgresCacheRepository implements CacheRepository {
  readonly #runner: StatementRunner;
  readonly #statements: StatementBuilder;

  constructor(runner: StatementRunner, statements: StatementBuilder) {
    this.#runner = runner;
    this.#statements = statements;
  }

  async bless(cache: NewCache, options: AbortOptions = {}): Promise<BlessOutcome> {
    checkKey(cache);
    checkDuration('timeToLiveMs', cache.timeToLiveMs);
    const statement = blessVolume(this.#statements, cache);
    for (let round = 1; round <= blessRounds; round += 1) {
      const blessing = await this.#runner.first(statement, options);
      const outcome = outcomeOf(blessing);
      if (outcome !== 'lost' || !cache.replace) return outcome;
    }
    throw new RepositoryUnavailableError(`another host replaced the cache ${blessRounds} times in a row: try again`);
  }

  async find(key: CacheKey, options: AbortOptions = {}): Promise<VolumeRecord | undefined> {
    checkKey(key);
    const found = await this.#runner.first(findAndRenew(this.#statements, key), options);
    return found === undefined ? undefined : toVolume(parse(found.row), undefined);
  }

  async isValid(key: SharedKey, volume: string, options: AbortOptions = {}): Promise<boolean> {
    return (await this.#runner.first(findOrigin(this.#statements, key, volume), options)) !== undefined;
  }

  async invalidate(key: CacheKey, { graceMs, ...options }: InvalidateOptions): Promise<number> {
    checkKey(key);
    checkDuration('graceMs', graceMs);
    const invalidated = await this.#runner.first(invalidateCaches(this.#statements, key, graceMs), options);
    return Number(invalidated?.count ?? 0);
  }

  async drop(key: CacheKey, volume: string, options: AbortOptions = {}): Promise<boolean> {
    return (await this.#runner.first(dropCache(this.#statements, key, volume), options)) !== undefined;
  }

  async limit(workerName: string, limits: CacheLimits, options: AbortOptions = {}): Promise<number> {
    const { maxBytes = 0, maxCount = 0 } = limits;
    checkCount('maxBytes', maxBytes);
    checkCount('maxCount', maxCount);
    const dropped = await this.#runner.rows(limitCaches(this.#statements, workerName, limits), options);
    return dropped.length;
  }

  async postponeExpiry(
    workerName: string,
    volume: string,
    durationMs: number,
    options: AbortOptions = {},
  ): Promise<boolean> {
    checkDuration('durationMs', durationMs);
    const postponed = await this.#runner.first(
      this.#statements
        .updateTable('volumes')
        .set((eb) => ({ expires_at: eb.fn<Date>('greatest', ['expires_at', fromNow(durationMs)]), updated_at: now() }))
        .where('worker_name', '=', workerName)
        .where('handle', '=', volume)
        .where('container_id', 'is', null)
        .where('state', 'in', liveStates)
        .returning('handle'),
      options,
    );
    return postponed !== undefined;
  }
}

function outcomeOf(blessing: Blessing | undefined): BlessOutcome {
  if (blessing === undefined) throw new RepositoryUnavailableError('a blessing returned no row');
  if (blessing.blessed === 'true') return 'blessed';
  if (blessing.acceptable === 'false') return 'refused';
  return blessing.used === 'true' ? 'in-use' : 'lost';
}

/** @throws InvalidSpecError */
function checkKey({ workerName, key }: CacheKey): void {
  checkText('workerName', workerName, 253);
  checkText('key', key, maxKeyCharacters);
}
