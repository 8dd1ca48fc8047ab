import { isRetryable } from '../errors/error-code.ts';
import type { ContainerRepository } from '../repository/container-repository.ts';
import type { Clock, Logger } from '../runtime/options.ts';

/** What marking needs. */
export interface HijackHeartbeatComponents {
  readonly containers: ContainerRepository;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a mark keeps the reaper away. */
  readonly hijackGraceMs: number;
}

/** The process through which somebody works by hand. */
export interface HijackingProcess {
  readonly handle: string;
  readonly processId: string;
}

/** Keeps the mark of a hijack fresh, which was set before, until the signal aborts; then takes it away. Never rejects: a mark that stays lapses by itself. */
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
    if (!signal.aborted) logger.warn('hijack not marked any more', { handle, processId, error });
  }
  await containers
    .endHijack(handle, processId)
    .catch((error: unknown) => logger.debug('mark of a hijack left', { handle, processId, error }));
}
