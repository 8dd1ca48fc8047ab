/**
 * The last parameter of every call that waits.
 *
 * @public
 */
export interface AbortOptions {
  /** Stops the call, which then rejects with the signal's own reason. What else it stops is said with each call. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Where the library writes what an operator may want to know. `fields` are facts: handles, names, durations, never secrets.
 *
 * @public
 */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/**
 * The passing of time, so that tests can have their own.
 *
 * @public
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `delayMs` milliseconds; rejects with the signal's reason. */
  sleep(delayMs: number, options?: AbortOptions): Promise<void>;
}
