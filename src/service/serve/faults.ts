import type { EventEmitter } from 'node:events';

import type { Logger } from '../../index.ts';

const events = ['uncaughtException', 'unhandledRejection'] as const;

/**
 * Logs an error that nothing has handled, and ends the process at once with the exit code: its state is
 * unknown then, and another replica takes over. Returns what removes the handlers.
 */
export function endOnFaults(
  emitter: Pick<EventEmitter, 'on' | 'off'>,
  logger: Pick<Logger, 'error'>,
  exit: () => void,
): () => void {
  const onFault = (error: unknown): void => {
    try {
      logger.error('internal error: the service ends', { error });
    } finally {
      exit();
    }
  };
  for (const event of events) emitter.on(event, onFault);
  return () => {
    for (const event of events) emitter.off(event, onFault);
  };
}
