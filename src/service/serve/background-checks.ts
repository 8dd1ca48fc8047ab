import type { Clock, Logger, Worker } from '../../index.ts';
import type { EventLoopLag } from './event-loop-lag.ts';
import type { CheckTerms, ServiceState } from './service-state.ts';

/** The time from the end of the checks to the start of the next ones, in milliseconds. */
const everyMs = 5_000;
/** The same time while a check fails, so that a recovery is noticed soon. */
const retryMs = 1_000;
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
    const isOk = await check(parts, signal);
    await parts.clock.sleep(isOk ? everyMs : retryMs, { signal }).catch(() => undefined);
  }
}

/** Returns whether all checks have passed. */
async function check(parts: BackgroundChecksParts, signal: AbortSignal): Promise<boolean> {
  const { worker, state, lag, logger } = parts;
  const { role } = worker.leadership();
  const isElected = role === 'leader' || role === 'follower';
  state.record('leadership', { ok: isElected, detail: role });
  const lagMs = lag.longestMs();
  state.record('event-loop-lag', { ok: lagMs <= maxLagMs, detail: `at most ${lagMs} ms late` });
  try {
    const found = await worker.probe({ timeoutMs: probeMs, signal });
    for (const { name, ok, message } of found) state.record(name, { ok, detail: message });
    return isElected && lagMs <= maxLagMs && found.every(({ ok }) => ok);
  } catch (error) {
    // Without the results, the last ones grow too old.
    if (!signal.aborted) logger.error('the checks failed', { error });
    return false;
  }
}
