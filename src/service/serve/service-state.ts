import type { Clock, Worker } from '../../index.ts';

/**
 * `starting` until the worker is open, then `running`. `draining` from the first signal on until the
 * end.
 */
export type ServicePhase = 'starting' | 'running' | 'draining';

/** The probes of Kubernetes that the status server answers. `/healthz` is another name of `livez`. */
export type Probe = 'startupz' | 'readyz' | 'livez';

/** The last result of one check. */
export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** Whether the probe fails with this check. Others only inform. */
  readonly isRequired: boolean;
  /** A text for operators, without secrets. */
  readonly detail: string;
  /** The time since the check ended, in milliseconds; `undefined` if it has not run. */
  readonly ageMs: number | undefined;
}

export interface ProbeResult {
  readonly ok: boolean;
  readonly checks: readonly CheckResult[];
}

/** What the status server reads. Reading runs no check and waits for nothing. */
export interface ServiceHealth {
  readonly phase: ServicePhase;
  /** When the service started, in milliseconds since the epoch. */
  readonly startedAt: number;
  /** The worker; `undefined` until the database has answered. */
  readonly worker: Worker | undefined;
  probe(name: Probe): ProbeResult;
}

/** How long the result of a check counts. */
export interface CheckTerms {
  readonly name: string;
  /** An older result fails the probe: the check itself hangs. In milliseconds. */
  readonly maxAgeMs: number;
  /** @defaultValue true */
  readonly isRequired?: boolean | undefined;
}

interface StoredResult {
  readonly ok: boolean;
  readonly detail: string;
  readonly at: number;
}

/** A beat that is older fails `livez`. The event loop was blocked for as long. */
const maxBeatAgeMs = 15_000;

/** The state of the service, which the parts of the daemon write. */
export class ServiceState implements ServiceHealth {
  readonly startedAt: number;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #terms: readonly CheckTerms[];
  readonly #results = new Map<string, StoredResult>();
  #phase: ServicePhase = 'starting';
  #hasStarted = false;
  #worker: Worker | undefined;
  #beatAt: number;

  constructor(clock: Pick<Clock, 'now'>, checks: readonly CheckTerms[]) {
    this.#clock = clock;
    this.#terms = checks;
    this.startedAt = clock.now();
    this.#beatAt = this.startedAt;
  }

  get phase(): ServicePhase {
    return this.#phase;
  }

  get worker(): Worker | undefined {
    return this.#worker;
  }

  /** Moves from `starting` to `running`. A service that drains already stays so. */
  started(worker: Worker): void {
    this.#worker = worker;
    this.#hasStarted = true;
    if (this.#phase === 'starting') this.#phase = 'running';
  }

  /** The service is not ready from now on. */
  draining(): void {
    this.#phase = 'draining';
  }

  /** Records that the event loop runs. */
  beat(): void {
    this.#beatAt = this.#clock.now();
  }

  /** Records the result of a check, which ends now. */
  record(name: string, result: { readonly ok: boolean; readonly detail: string }): void {
    this.#results.set(name, { ...result, at: this.#clock.now() });
  }

  probe(name: Probe): ProbeResult {
    const checks = this.#checksOf(name);
    return { ok: checks.every(({ ok, isRequired }) => ok || !isRequired), checks };
  }

  #checksOf(name: Probe): readonly CheckResult[] {
    if (name === 'livez') return [this.#eventLoop()];
    const now = { isRequired: true, detail: this.#phase, ageMs: 0 };
    if (name === 'startupz') return [{ ...now, name: 'started', ok: this.#hasStarted }];
    const phase = { ...now, name: 'phase', ok: this.#phase === 'running' };
    return [phase, ...this.#terms.map((terms) => this.#result(terms))];
  }

  #eventLoop(): CheckResult {
    const ageMs = this.#clock.now() - this.#beatAt;
    const detail = `last beat ${ageMs} ms ago`;
    return { name: 'event-loop', ok: ageMs <= maxBeatAgeMs, isRequired: true, detail, ageMs };
  }

  #result({ name, maxAgeMs, isRequired = true }: CheckTerms): CheckResult {
    const result = this.#results.get(name);
    if (result === undefined) return { name, isRequired, ok: false, detail: 'has not run yet', ageMs: undefined };
    const ageMs = this.#clock.now() - result.at;
    if (ageMs <= maxAgeMs) return { name, isRequired, ok: result.ok, detail: result.detail, ageMs };
    return { name, isRequired, ok: false, detail: `no result for ${ageMs} ms; the last one: ${result.detail}`, ageMs };
  }
}
