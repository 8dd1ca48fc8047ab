import type { RequestInfo } from './request-info.ts';

/**
 * Selects the requests of a fault. A request matches if every given field matches.
 *
 * @public
 */
export interface FaultMatch {
  /**
   * `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`. An exec is
   * a `get` or `create` with subresource `exec`.
   */
  readonly verb?: string;
  /** The plural name, such as `pods`. */
  readonly resource?: string;
  /** Such as `exec`, `log` or `status`; `''` means no subresource. */
  readonly subresource?: string;
  /** The name of the object. */
  readonly name?: string;
  /** The beginning of the URL's path. */
  readonly path?: string;
}

/**
 * The effect of a fault. For an exec, byte counts refer to the connection after its upgrade,
 * otherwise to the body of the response.
 *
 * - `status`: the server does not perform the request, and responds with this HTTP status and a
 *   Status body.
 * - `drop`: the server closes the connection after `afterBytes` (default 0). `in` counts bytes from
 *   the client, `out` (default) bytes to the client. For a request other than an exec, `in` closes
 *   before the server performs the request, `out` after that.
 * - `half-open`: after `afterBytes` (default 0) the server neither reads nor writes, and keeps the
 *   connection open.
 * - `slow`: the server limits each direction to `bytesPerSecond`.
 * - `lost-status`: the exec ends with a normal close but without its status.
 * - `early-eof`: with `in` (default), the command's stdin ends after `afterBytes`, the server
 *   discards later bytes, and the status reports no error. `out` does the same with the output.
 * - `gone`: the server responds to a watch with 410 at once.
 * - `delay`: the server waits for `delayMs` before it handles the request.
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
 * A fault: its requests (`match`), its effect, and the number of requests that it affects (`times`;
 * the default is all requests until the fault is disposed).
 *
 * @public
 */
export type Fault = FaultKind & { readonly match: FaultMatch; readonly times?: number };

/**
 * A fault that is in effect.
 *
 * @public
 */
export interface ActiveFault extends Disposable {
  /** The number of requests that the fault has affected. */
  readonly hits: number;
  /** Removes the fault. Requests that it already affects stay affected. */
  remove(): void;
}

interface Entry {
  readonly fault: Fault;
  hits: number;
}

/**
 * Injects faults into selected requests.
 *
 * @public
 */
export interface FaultInjector {
  /** Applies `fault` to matching requests from now on. */
  add(fault: Fault): ActiveFault;
  /** Removes all faults. */
  clear(): void;
}

/** The faults of a server. Determines which faults affect a request. */
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

  /** Returns the faults that affect this request, and counts a hit for each. */
  take(info: RequestInfo): FaultSet {
    const affecting = [...this.#entries].filter(
      ({ fault, hits }) => hits < (fault.times ?? Number.POSITIVE_INFINITY) && matches(fault.match, info),
    );
    for (const entry of affecting) entry.hits += 1;
    return new FaultSet(affecting.map(({ fault }) => fault));
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

  /** Whether a fault affects the bytes of the connection. */
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
