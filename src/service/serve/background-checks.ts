import type { Clock, Logger, Worker } from '../../index.ts';
import type { EventLoopLag } from './event-loop-lag.ts';
import type { CheckTerms, ServiceState } from './service-state.ts';

/** The time between the ends of a check and the begin of the next one. */
const everyMs = 5_000;
/** A dependency that answers later does not answer. */
const probeMs = 4_000;
/** Longer than a period and a probe: only a check that hangs is older. */
const maxAgeMs = 15_000;
/** A replica whose event loop is blocked for longer is not ready. */
const maxLagMs = 1_000;

/** Returns the checks of a service. A store that does not answer fails what needs it, and not the service. */
export function checkTerms(storeNames: readonly string[]): readonly CheckTerms[] {
  const required = ['database', 'api-server', 'leadership', 'event-loop-lag'];
  return [
    ...required.map((name) => ({ name, maxAgeMs })),
    ...storeNames.map((name) => ({ name: `store:${name}`, maxAgeMs, isRequired: false })),
  ];
}

export interface BackgroundChecksParts {
  readonly worker: Pick<Worker, 'probe' | 'leadership'>;
  readonly state: Pick<ServiceState, 'record'>;
  readonly lag: Pick<EventLoopLag, 'longestMs'>;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'error'>;
}

/** Runs the checks of readiness until the signal aborts, so that no probe waits for one. */
export async function runBackgroundChecks(parts: BackgroundChecksParts, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await check(parts, signal);
    await parts.clock.sleep(everyMs, { signal }).catch(() => undefined);
  }
}

async function check({ worker, state, lag, logger }: BackgroundChecksParts, signal: AbortSignal): Promise<void> {
  const { role } = worker.leadership();
  state.record('leadership', { ok: role === 'leader' || role === 'follower', detail: role });
  const lagMs = lag.longestMs();
  state.record('event-loop-lag', { ok: lagMs <= maxLagMs, detail: `at most ${lagMs} ms late` });
  try {
    const found = await worker.probe({ timeoutMs: probeMs, signal });
    for (const { name, ok, message } of found) state.record(name, { ok, detail: message });
  } catch (error) {
    // Without the results, the last ones grow too old.
    if (!signal.aborted) logger.error('the checks failed', { error });
  }
}
