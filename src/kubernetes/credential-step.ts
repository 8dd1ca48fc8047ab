import type { KubeConfig } from '@kubernetes/client-node';

import { InvalidSpecError } from '../errors/caller.ts';
import { CredentialsUnavailableError } from '../errors/cluster.ts';
import { abortable } from '../internal/abort.ts';
import { Timer } from '../internal/timer.ts';
import type { AbortOptions, Clock } from '../runtime/options.ts';
import { CallSignal, CallTimeout } from './call-signal.ts';
import type { ClusterAccess } from './cluster-access.ts';
import type { KubeConfigSource } from './kube-config-source.ts';
import { type ResolvedAccess, resolveAccess, tookTooLong } from './resolve-access.ts';

/** What the step needs. */
export interface CredentialStepOptions {
  readonly source: KubeConfigSource;
  readonly clock: Clock;
  /** How long getting credentials may take, in milliseconds. */
  readonly limitMs: number;
  readonly environment: NodeJS.ProcessEnv;
}

interface Held {
  readonly access: ClusterAccess;
  /** From then on others are got, while calls still use these. */
  readonly freshUntil: number;
  readonly validUntil: number;
}

/** One getting of credentials, which all who need them share. */
interface Flight {
  readonly result: Promise<ClusterAccess>;
  readonly stop: AbortController;
  /** Whether it ends when no call waits for it any more. */
  readonly needsWaiters: boolean;
  waiters: number;
}

const renewedAheadMs = 60_000;
/** Files may change at any time; this often they are read again. */
const fileAgeMs = 10_000;
/** For this long a failure is the answer for every call, so that repeated calls do not start a plug-in each. */
const failureAgeMs = 250;

/**
 * Gets the credentials for every call, watch, log and exec of a cluster: once for all who ask at the same time, within
 * a limit of time, and again when they end or the server refuses them. A call that asks while there are valid ones waits
 * for nothing.
 */
export class CredentialStep {
  readonly #options: CredentialStepOptions;
  #kubeConfig: KubeConfig;
  #held: Held | undefined;
  #latest: ClusterAccess | undefined;
  #failure: { readonly error: CredentialsUnavailableError; readonly until: number } | undefined;
  #flight: Flight | undefined;

  /** @throws InvalidSpecError - `kubeConfig` */
  constructor(options: CredentialStepOptions) {
    this.#options = options;
    this.#kubeConfig = options.source.load();
  }

  /** The configuration as it was read last. */
  get kubeConfig(): KubeConfig {
    return this.#kubeConfig;
  }

  /**
   * The signal ends the waiting; the work as well where it was the last that waited.
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

  /** The server has refused these credentials: the configuration is read anew, and others are got; unless that has happened since. */
  refuse(access: ClusterAccess): void {
    if (this.#held?.access !== access) return;
    this.#held = undefined;
    try {
      this.#kubeConfig = this.#options.source.load();
    } catch (error) {
      // A file that is being replaced is whole again at the next attempt.
      if (!(error instanceof InvalidSpecError)) throw error;
    }
  }

  #failsNow(now: number): boolean {
    return this.#failure !== undefined && now < this.#failure.until;
  }

  async #join(signal: AbortSignal | undefined): Promise<ClusterAccess> {
    const flight = (this.#flight ??= this.#start({ needsWaiters: true }));
    flight.waiters += 1;
    // The work itself does not keep the process alive.
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
    flight.stop.abort(new Error('nobody waits for these credentials'));
  }

  async #get(stop: AbortSignal): Promise<ClusterAccess> {
    const { clock, limitMs, environment } = this.#options;
    const kubeConfig = this.#kubeConfig;
    using deadline = new CallSignal(stop, limitMs, { keepsAlive: false });
    try {
      const resolved = await resolveAccess(kubeConfig, {
        environment,
        previous: this.#latest,
        signal: deadline.signal,
      });
      this.#failure = undefined;
      this.#latest = resolved.access;
      this.#held = heldAs(resolved, clock.now());
      return resolved.access;
    } catch (thrown) {
      const error = thrown instanceof CallTimeout ? tookTooLong(kubeConfig, thrown) : thrown;
      if (error instanceof CredentialsUnavailableError) this.#failure = { error, until: clock.now() + failureAgeMs };
      throw error;
    }
  }
}

/** Credentials that have ended already are for those who waited for them, as with kubectl: the clocks may differ. */
function heldAs({ access, expiresAt }: ResolvedAccess, now: number): Held {
  if (expiresAt === undefined) return { access, freshUntil: Infinity, validUntil: Infinity };
  if (expiresAt === 'files') return { access, freshUntil: now + fileAgeMs, validUntil: Infinity };
  const lifeMs = Math.max(0, expiresAt - now);
  return { access, freshUntil: expiresAt - Math.min(renewedAheadMs, lifeMs / 4), validUntil: expiresAt };
}
