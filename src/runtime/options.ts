/**
 * The options that every asynchronous call accepts as its last parameter.
 *
 * @public
 */
export interface AbortOptions {
  /**
   * Stops the call, which then rejects with the signal's own reason. The documentation of each call
   * states what else the signal stops.
   *
   * @defaultValue the call cannot be aborted
   */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Receives the library's log messages. `fields` are facts, such as handles, names and durations.
 * They never hold secrets.
 *
 * @public
 */
export interface Logger {
  /** Logs a detail that helps to trace one call. */
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Logs a normal event. */
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Logs a failure that the library has handled. */
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** Logs a failure that needs an operator. */
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/**
 * Measures time and waits. Tests replace it to control time.
 *
 * @public
 */
export interface Clock {
  /** Returns the current time in milliseconds since the epoch. */
  now(): number;
  /** Resolves after `delayMs` milliseconds. Rejects with the signal's reason when it is aborted. */
  sleep(delayMs: number, options?: AbortOptions): Promise<void>;
}
