import type { Worker } from '../../../index.ts';
import type { ServiceHealth } from '../../serve/service-state.ts';
import { HttpError } from '../http/http-error.ts';

/** What the routes read. */
export interface StatusContext {
  readonly health: ServiceHealth;
  /** The version of the package. */
  readonly version: string;
  /** Returns the time since the start of the service, in milliseconds, by a clock that never jumps. */
  readonly uptimeMs: () => number;
  /** The number of log streams that may run at once. */
  readonly maxLogStreams: number;
}

/** @throws HttpError - the worker is not open yet */
export function workerOf({ health: { worker } }: StatusContext): Worker {
  if (worker === undefined) throw new HttpError('KW_HTTP_STARTING', 'The service is starting.');
  return worker;
}
