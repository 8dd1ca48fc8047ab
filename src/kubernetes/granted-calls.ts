import type { ApiCallFacts } from '../errors/cluster.ts';
import { ApiUnavailableError, ForbiddenError } from '../errors/cluster.ts';
import type { Clock } from '../runtime/options.ts';

/** Longer than an API server needs to read its roles after a start. */
const doubtMs = 10_000;
const forbidden = 403;

type Call = Pick<ApiCallFacts, 'verb' | 'resource'>;

/**
 * The kinds of calls that the API server has granted. A server that has just started refuses calls
 * until it has read its roles. So a refusal of a kind that was granted before is temporary. It is
 * final when the server has refused that kind for 10 s.
 */
export class GrantedCalls {
  readonly #clock: Clock;
  /** When the server began to refuse a kind. `undefined` while it grants it. */
  readonly #refusedSince = new Map<string, number | undefined>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Records that the server has granted a call. */
  add(call: Call): void {
    this.#refusedSince.set(kindOf(call), undefined);
  }

  /** Returns `ApiUnavailableError` for a temporary refusal, and any other error unchanged. */
  judge<T>(error: T): T | ApiUnavailableError {
    if (!(error instanceof ForbiddenError)) return error;
    const kind = kindOf(error);
    if (!this.#refusedSince.has(kind)) return error;
    const now = this.#clock.now();
    const since = this.#refusedSince.get(kind) ?? now;
    this.#refusedSince.set(kind, since);
    if (now - since >= doubtMs) return error;
    const detail = `the server refuses what it granted before, and may have just started: ${error.message}`;
    return new ApiUnavailableError(error, detail, forbidden, { cause: error });
  }
}

function kindOf({ verb, resource }: Call): string {
  return `${verb} ${resource}`;
}
