import { isRetryable } from '../../errors/error-code.ts';
import type { ContainerRepository } from '../../repository/container-repository.ts';
import type { Clock, Logger } from '../../runtime/options.ts';

export interface HijackHeartbeatComponents {
  readonly containers: ContainerRepository;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a mark protects the container from the reaper, in milliseconds. */
  readonly hijackGraceMs: number;
}

/** The process of a hijack. */
export interface HijackingProcess {
  readonly handle: string;
  readonly processId: string;
  /** Whether this host has started the process as a hijack. */
  readonly startedByCall?: boolean | undefined;
}

/**
 * Renews the mark of a hijack, which the caller has set, until the signal aborts. Then ends it.
 * Never rejects: a mark that remains expires.
 */
export async function keepHijackMarked(
  { handle, processId, startedByCall: isStarted }: HijackingProcess,
  { containers, clock, logger, hijackGraceMs }: HijackHeartbeatComponents,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      // Not aborted: the statement could still take effect, after the end of the mark.
      await containers.recordHijack(handle, processId, { isStarted }).catch((error: unknown) => {
        if (!isRetryable(error)) throw error;
      });
      await clock.sleep(hijackGraceMs / 3, { signal });
    }
  } catch (error) {
    if (!signal.aborted) logger.warn('hijack mark not renewed', { handle, processId, error });
  }
  await containers
    .endHijack(handle, processId)
    .catch((error: unknown) => logger.debug('hijack mark not ended', { handle, processId, error }));
}
