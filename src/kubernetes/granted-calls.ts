import type { ApiCallFacts } from '../errors/cluster.ts';
import { ApiUnavailableError, ForbiddenError } from '../errors/cluster.ts';
import { ExecHandshakeFailedError } from '../errors/connection.ts';
import type { Clock } from '../runtime/options.ts';

/** Longer than an API server needs to read its roles after a start. */
const doubtMs = 10_000;
const forbidden = 403;

type Call = Pick<ApiCallFacts, 'verb' | 'resource'>;

/**
 * The kinds of calls that the API server has granted. A server that has just started refuses calls
 * until it has read its roles. So a refusal is temporary for 10 s from the first refusal of a kind
 * that was granted before, and for 10 s after the server was unavailable. Any other is final.
 */
export class GrantedCalls {
  readonly #clock: Clock;
  /** When the server began to refuse a kind that it has granted. `undefined` while it grants it. */
  readonly #refusedSince = new Map<string, number | undefined>();
  #unavailableAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Records that the server has granted a call. */
  add(call: Call): void {
    this.#refusedSince.set(kindOf(call), undefined);
  }

  /** Returns `ApiUnavailableError` for a temporary refusal, and any other error unchanged. */
  judge<T>(error: T): T | ApiUnavailableError {
    const now = this.#clock.now();
    if (isUnavailable(error)) this.#unavailableAt = now;
    if (!(error instanceof ForbiddenError)) return error;
    const since = Math.max(this.#firstRefusal(kindOf(error), now), this.#unavailableAt);
    if (now - since >= doubtMs) return error;
    const detail = `the server may have just started, and refuses: ${error.message}`;
    return new ApiUnavailableError(error, detail, forbidden, { cause: error });
  }

  /** Returns the time of the first refusal since the last grant. */
  #firstRefusal(kind: string, now: number): number {
    if (!this.#refusedSince.has(kind)) return -Infinity;
    const since = this.#refusedSince.get(kind) ?? now;
    this.#refusedSince.set(kind, since);
    return since;
  }
}

function isUnavailable(error: unknown): boolean {
  return (
    error instanceof ApiUnavailableError || (error instanceof ExecHandshakeFailedError && error.status === undefined)
  );
}

function kindOf({ verb, resource }: Call): string {
  return `${verb} ${resource}`;
}
