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
}

/**
 * Renews the mark of a hijack, which the caller has set, until the signal aborts. Then removes it.
 * Never rejects: a mark that remains expires.
 */
export async function keepHijackMarked(
  { handle, processId }: HijackingProcess,
  { containers, clock, logger, hijackGraceMs }: HijackHeartbeatComponents,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(hijackGraceMs / 3, { signal });
      await containers.recordHijack(handle, processId, { signal }).catch((error: unknown) => {
        if (!isRetryable(error)) throw error;
      });
    }
  } catch (error) {
    if (!signal.aborted) logger.warn('hijack mark not renewed', { handle, processId, error });
  }
  await containers
    .endHijack(handle, processId)
    .catch((error: unknown) => logger.debug('hijack mark not removed', { handle, processId, error }));
}
