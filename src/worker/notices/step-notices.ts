import type { Writable } from 'node:stream';

import type { Mask } from '../../internal/host-mask.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { StepProgress } from '../../runtime/step-progress.ts';
import { writeNotice } from './host-notice.ts';

/**
 * Returns a function that writes a line for each event that explains a wait to the host's stderr:
 * one for a pod without a node, one for a quota without room, and one for volumes that are not
 * mounted. Writes nothing after an abort.
 */
export function stepNotices(
  stderr: Writable | undefined,
  mask: Mask,
  { signal }: AbortOptions,
): (event: StepProgress) => void {
  if (stderr === undefined) return () => undefined;
  const written = new Set<StepProgress['kind']>();
  return (event) => {
    const line = lineOf(event);
    if (line === undefined || written.has(event.kind) || signal?.aborted === true) return;
    written.add(event.kind);
    const shown = mask(line);
    if (shown !== undefined) writeNotice(stderr, `${shown}\n`);
  };
}

function lineOf(event: StepProgress): string | undefined {
  const { podName } = event;
  if (event.kind === 'unschedulable')
    return `pod ${podName} waits for a node that accepts it: ${event.message ?? 'no reason is reported'}`;
  if (event.kind === 'waiting-for-quota') return `pod ${podName} waits for room in a quota: ${event.message}`;
  if (event.kind === 'waiting-for-volumes') return `pod ${podName} waits for its volumes: ${event.message}`;
  return undefined;
}
