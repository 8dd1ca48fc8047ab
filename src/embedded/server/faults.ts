import type { RequestInfo } from './request-info.ts';

/**
 * Which requests a fault is for; every field that is given must fit.
 *
 * @public
 */
export interface FaultMatch {
  /** `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection` (an exec is a `get` or `create` with subresource `exec`). */
  readonly verb?: string;
  /** The plural name, such as `pods`. */
  readonly resource?: string;
  /** Such as `exec`, `log` or `status`; `''` means none. */
  readonly subresource?: string;
  /** The name of the object. */
  readonly name?: string;
  /** The beginning of the URL's path. */
  readonly path?: string;
}

/**
 * What goes wrong. Bytes are those of the connection after its upgrade for an exec, those of the response's body otherwise.
 *
 * - `status`: the request isn't done; this HTTP status with a Status body is the answer.
 * - `drop`: the connection is cut after `afterBytes` (default 0). `in` counts what the client sends, `out` (default) what it gets. On a request that isn't an exec, `in`
 *   cuts before the request is done, `out` after it was done.
 * - `half-open`: after `afterBytes` (default 0) nothing is read or written any more, and the connection stays.
 * - `slow`: no faster than `bytesPerSecond` in each direction.
 * - `lost-status`: the exec ends without its status, by a normal close.
 * - `early-eof`: `in` (default): the command's stdin ends after `afterBytes`, what comes later is lost, its status is told as if nothing were wrong; `out`: the same with its output.
 * - `gone`: a watch is answered with 410 at once.
 * - `delay`: the request waits for `delayMs` before anything is done.
 *
 * @public
 */
export type FaultKind =
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly reason?: string;
      readonly message?: string;
      readonly retryAfterSeconds?: number;
    }
  | { readonly kind: 'drop'; readonly afterBytes?: number; readonly direction?: 'in' | 'out' }
  | { readonly kind: 'half-open'; readonly afterBytes?: number }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  | { readonly kind: 'lost-status' }
  | { readonly kind: 'early-eof'; readonly afterBytes?: number; readonly direction?: 'in' | 'out' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'delay'; readonly delayMs: number };

/**
 * A fault: which requests, what happens to them, and to how many (`times`, default all until it is disposed of).
 *
 * @public
 */
export type Fault = FaultKind & { readonly match: FaultMatch; readonly times?: number };

/**
 * A fault that was added.
 *
 * @public
 */
export interface ActiveFault extends Disposable {
  /** How many requests have met it. */
  readonly hits: number;
  /** Takes it away; requests that have met it keep it. */
  remove(): void;
}

interface Entry {
  readonly fault: Fault;
  hits: number;
}

/**
 * Makes chosen requests fail.
 *
 * @public
 */
export interface FaultInjector {
  /** From now on `fault` happens to the requests that it matches. */
  add(fault: Fault): ActiveFault;
  /** Takes all faults away. */
  clear(): void;
}

/** The faults of a server, and which request meets which. */
export class FaultRules implements FaultInjector {
  readonly #entries = new Set<Entry>();

  add(fault: Fault): ActiveFault {
    const entry: Entry = { fault, hits: 0 };
    this.#entries.add(entry);
    const remove = () => void this.#entries.delete(entry);
    return {
      get hits() {
        return entry.hits;
      },
      remove,
      [Symbol.dispose]: remove,
    };
  }

  clear(): void {
    this.#entries.clear();
  }

  /** The faults that this request meets, each counted. */
  take(info: RequestInfo): FaultSet {
    const met = [...this.#entries].filter(
      ({ fault, hits }) => hits < (fault.times ?? Number.POSITIVE_INFINITY) && matches(fault.match, info),
    );
    for (const entry of met) entry.hits += 1;
    return new FaultSet(met.map(({ fault }) => fault));
  }
}

/** The faults of one request. */
export class FaultSet {
  readonly #faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    this.#faults = faults;
  }

  get<Kind extends Fault['kind']>(kind: Kind): Extract<Fault, { kind: Kind }> | undefined {
    return this.#faults.find((fault): fault is Extract<Fault, { kind: Kind }> => fault.kind === kind);
  }

  /** Whether something happens to the bytes of the connection. */
  get onTheWire(): boolean {
    return this.#faults.some(({ kind }) => kind === 'drop' || kind === 'half-open' || kind === 'slow');
  }
}

function matches(match: FaultMatch, info: RequestInfo): boolean {
  const { target } = info;
  return (
    (match.verb === undefined || match.verb === info.verb) &&
    (match.resource === undefined || match.resource === target?.resource.plural) &&
    (match.subresource === undefined || match.subresource === (target?.subresource ?? '')) &&
    (match.name === undefined || match.name === target?.name) &&
    (match.path === undefined || info.path.startsWith(match.path))
  );
}
