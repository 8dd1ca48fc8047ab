import type { Mask } from '../../internal/host-mask.ts';
import type { AbortOptions, Logger } from '../../runtime/options.ts';
import type { StepProgress } from '../../runtime/step-progress.ts';
import type { StepDelegate } from '../../runtime/worker.ts';
import { maskedProgress } from '../notices/masked-texts.ts';

/**
 * Returns a function that passes masked events to the delegate and never throws. Logs the first
 * exception or rejection of the delegate, without the facts of the event. Passes no event after an
 * abort.
 */
export function stepListener(
  delegate: StepDelegate | undefined,
  { logger, mask }: { readonly logger: Logger; readonly mask: Mask },
  { signal }: AbortOptions,
): (event: StepProgress) => void {
  let hasFailed = false;
  const failed = ({ kind, podName }: StepProgress, error: unknown): void => {
    if (hasFailed) return;
    hasFailed = true;
    logger.warn('step delegate failed', { kind, podName, error });
  };
  return (event) => {
    if (delegate === undefined || signal?.aborted === true) return;
    try {
      const taken = delegate.progress(maskedProgress(event, mask));
      if (taken !== undefined) Promise.resolve(taken).catch((error: unknown) => failed(event, error));
    } catch (error) {
      failed(event, error);
    }
  };
}
