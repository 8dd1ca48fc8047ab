import { InvalidSpecError } from '../../errors/caller.ts';
import { CredentialsUnavailableError } from '../../errors/cluster.ts';
import { abortable } from '../../internal/abort.ts';
import { Timer } from '../../internal/timer.ts';
import type { AbortOptions, Clock } from '../../runtime/options.ts';
import { CallSignal, CallTimeout } from '../call-signal.ts';
import type { ClusterAccess } from './cluster-access.ts';
import type { KubeConfigSource } from './kube-config-source.ts';
import type { LoadedConfig } from './loaded-config.ts';
import { type ResolvedAccess, resolveAccess, timeoutError } from './resolve-access.ts';

export interface CredentialStepOptions {
  readonly source: KubeConfigSource;
  /** The configuration that the source has loaded. */
  readonly config: LoadedConfig;
  readonly clock: Clock;
  /** Limit for acquiring credentials, in milliseconds. */
  readonly limitMs: number;
  readonly environment: NodeJS.ProcessEnv;
}

interface Held {
  readonly access: ClusterAccess;
  /** From this time on, new credentials are acquired while calls still use these. */
  readonly freshUntil: number;
  readonly validUntil: number;
}

/** One acquisition of credentials, shared by all calls that wait for it. */
interface Flight {
  readonly result: Promise<ClusterAccess>;
  readonly stop: AbortController;
  /** Whether it is aborted when no call waits for it any longer. */
  readonly needsWaiters: boolean;
  waiters: number;
}

const renewedAheadMs = 60_000;
/**
 * Credentials from files are read again after this time, because the files may change at any time.
 */
const fileAgeMs = 10_000;
/**
 * For this time a failure is returned to every call, so that repeated calls do not each start a
 * plug-in.
 */
const failureAgeMs = 250;

/**
 * Acquires the credentials for every call, watch, log and exec of a cluster. Concurrent requests
 * share one acquisition, which has a time limit. It is repeated when the credentials expire or the
 * server rejects them. A call never waits while valid credentials exist.
 */
export class CredentialStep {
  readonly #options: CredentialStepOptions;
  #config: LoadedConfig;
  /** Whether the source must be loaded again. */
  #isRefused = false;
  #held: Held | undefined;
  #latest: ClusterAccess | undefined;
  #failure: { readonly error: CredentialsUnavailableError; readonly until: number } | undefined;
  #flight: Flight | undefined;

  constructor(options: CredentialStepOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  /**
   * Returns valid credentials. The signal ends the wait. It aborts the acquisition as well, if no
   * other call waits for it.
   *
   * @throws CredentialsUnavailableError
   */
  async access({ signal }: AbortOptions): Promise<ClusterAccess> {
    signal?.throwIfAborted();
    const now = this.#options.clock.now();
    const held = this.#held;
    if (held !== undefined && now < held.validUntil) {
      if (now >= held.freshUntil && !this.#failsNow(now)) this.#flight ??= this.#start({ needsWaiters: false });
      return held.access;
    }
    if (this.#failure !== undefined && this.#failsNow(now)) throw this.#failure.error;
    return await this.#join(signal);
  }

  /**
   * Discards credentials that the server has rejected. The next acquisition reads the configuration
   * again. Does nothing if they have been replaced since.
   */
  refuse(access: ClusterAccess): void {
    if (this.#held?.access !== access) return;
    this.#held = undefined;
    this.#isRefused = true;
  }

  async #loadAgain(): Promise<void> {
    try {
      this.#config = await this.#options.source.load();
      this.#isRefused = false;
    } catch (error) {
      // A file that is being replaced is complete again at the next attempt.
      if (!(error instanceof InvalidSpecError)) throw error;
    }
  }

  #failsNow(now: number): boolean {
    return this.#failure !== undefined && now < this.#failure.until;
  }

  async #join(signal: AbortSignal | undefined): Promise<ClusterAccess> {
    const flight = (this.#flight ??= this.#start({ needsWaiters: true }));
    flight.waiters += 1;
    // The acquisition does not keep the process alive.
    const alive = new Timer(this.#options.limitMs, () => undefined);
    try {
      return await abortable(flight.result, signal);
    } finally {
      alive.clear();
      flight.waiters -= 1;
      if (flight.waiters === 0 && flight.needsWaiters) this.#end(flight);
    }
  }

  #start({ needsWaiters }: { readonly needsWaiters: boolean }): Flight {
    const stop = new AbortController();
    const flight: Flight = {
      result: this.#get(stop.signal).finally(() => this.#end(flight)),
      stop,
      needsWaiters,
      waiters: 0,
    };
    flight.result.catch(() => undefined);
    return flight;
  }

  #end(flight: Flight): void {
    if (this.#flight === flight) this.#flight = undefined;
    flight.stop.abort(new Error('no call waits for these credentials'));
  }

  async #get(stop: AbortSignal): Promise<ClusterAccess> {
    const { clock, limitMs, environment } = this.#options;
    if (this.#isRefused) await this.#loadAgain();
    const config = this.#config;
    using deadline = new CallSignal(stop, limitMs, { keepsAlive: false });
    try {
      const resolved = await resolveAccess(config, {
        environment,
        previous: this.#latest,
        signal: deadline.signal,
      });
      this.#failure = undefined;
      this.#latest = resolved.access;
      this.#held = heldAs(resolved, clock.now());
      return resolved.access;
    } catch (thrown) {
      const error = thrown instanceof CallTimeout ? timeoutError(config, thrown) : thrown;
      if (error instanceof CredentialsUnavailableError) this.#failure = { error, until: clock.now() + failureAgeMs };
      throw error;
    }
  }
}

/**
 * Like kubectl, expired credentials are still returned to the calls that waited for them: the
 * clocks may differ.
 */
function heldAs({ access, expiresAt }: ResolvedAccess, now: number): Held {
  if (expiresAt === undefined) return { access, freshUntil: Infinity, validUntil: Infinity };
  if (expiresAt === 'files') return { access, freshUntil: now + fileAgeMs, validUntil: Infinity };
  const lifeMs = Math.max(0, expiresAt - now);
  return { access, freshUntil: expiresAt - Math.min(renewedAheadMs, lifeMs / 4), validUntil: expiresAt };
}
