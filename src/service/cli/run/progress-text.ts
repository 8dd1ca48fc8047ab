import type { StepProgress } from '../../../index.ts';
import { bytesText } from '../copy/progress-line.ts';

/** Returns a line about the creation of a container, `undefined` for an event that is not shown. */
export function progressText(event: StepProgress): string | undefined {
  switch (event.kind) {
    case 'creating-pod':
      return `creating pod ${event.podName}`;
    case 'waiting-for-quota':
      return `waiting for quota: ${event.message}`;
    case 'unschedulable':
      return `waiting for a node: ${event.message ?? 'none accepts the pod'}`;
    case 'scheduled':
      return `scheduled on ${event.nodeName}`;
    case 'pulling':
      return `pulling ${event.image}`;
    case 'waiting-for-volumes':
      return `waiting for volumes: ${event.message}`;
    case 'pulled':
      return `pulled ${event.image}`;
    case 'streaming-input':
      return event.isComplete ? `input ${event.path}: ${bytesText(event.receivedBytes)}` : undefined;
    case 'waiting-for-another-host':
    case 'agent-ready':
    case 'streaming-cache':
    case 'cache-lost':
    case 'inputs-done':
    case 'ready':
      return undefined;
  }
}
