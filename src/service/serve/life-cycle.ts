import type { Clock, Logger, Worker } from '../../index.ts';
import type { Listener } from './listeners.ts';
import type { ServiceState } from './service-state.ts';

/** The parts of the daemon, in the order in which they start. */
export interface ServiceParts {
  readonly state: ServiceState;
  readonly listen: () => Promise<readonly Listener[]>;
  readonly openWorker: (signal: AbortSignal) => Promise<Worker>;
  /** What runs while the worker is open, until the signal aborts. */
  readonly whileOpen: (worker: Worker, signal: AbortSignal) => Promise<void>;
  /** Sends the telemetry that waits, within a time in milliseconds. */
  readonly closeTelemetry: (limitMs: number) => Promise<void>;
  /** How long what is under way may take at the end, in milliseconds. */
  readonly graceMs: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What has started until now. */
interface Started {
  listeners: readonly Listener[];
  worker: Worker | undefined;
}

/** The statements of a pass that is aborted, and the one that hands the lease back. */
const controllersMs = 10_000;
const closeMs = 10_000;
const telemetryMs = 5_000;

/**
 * Runs the daemon until the signal aborts, and ends it in order: not ready, lease handed back, responses
 * complete, worker closed, telemetry sent. Commands in pods run on. Rejects if the start fails, after it
 * has ended what had started.
 */
export async function runService(parts: ServiceParts, signal: AbortSignal): Promise<void> {
  const started: Started = { listeners: [], worker: undefined };
  try {
    await run(parts, started, signal);
  } catch (error) {
    // What fails after the signal is its consequence.
    if (!signal.aborted) throw error;
  } finally {
    await drain(parts, started);
  }
}

async function run(parts: ServiceParts, started: Started, signal: AbortSignal): Promise<void> {
  const { state, listen, openWorker, whileOpen, logger } = parts;
  started.listeners = await listen();
  signal.throwIfAborted();
  started.worker = await openWorker(signal);
  state.started(started.worker);
  logger.info('service started', { workerName: started.worker.name });
  await whileOpen(started.worker, signal);
}

/** Ends everything, also if a step fails or hangs. */
async function drain(parts: ServiceParts, { listeners, worker }: Started): Promise<void> {
  const { state, closeTelemetry, graceMs, logger } = parts;
  state.draining();
  logger.info('service ends');
  const step = async (name: string, limitMs: number, work: () => Promise<unknown>): Promise<void> =>
    await limited(name, limitMs, work, parts);
  if (worker !== undefined) await step('the controllers', controllersMs, () => worker.stopControllers());
  const grace = graceMs();
  await step('the servers', grace + closeMs, () =>
    Promise.all(listeners.map((listener) => listener.close({ graceMs: grace }))),
  );
  if (worker !== undefined) await step('the worker', closeMs, () => worker.close());
  await step('the telemetry', telemetryMs + 1_000, () => closeTelemetry(telemetryMs));
  logger.info('service ended');
}

async function limited(
  name: string,
  limitMs: number,
  work: () => Promise<unknown>,
  { clock, logger }: ServiceParts,
): Promise<void> {
  const done = new AbortController();
  const late = clock.sleep(limitMs, { signal: done.signal }).then(
    () => logger.warn(`${name} did not end within ${limitMs} ms`),
    () => undefined,
  );
  const ended = work().catch((error: unknown) => logger.warn(`${name} failed to end`, { error }));
  await Promise.race([ended, late]);
  done.abort();
}
