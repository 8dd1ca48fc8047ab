import type { StepProgress } from 'kubernetes-worker';

import type { DemoConsole } from './console.ts';

/** Prints one event of the creation of a container. */
export function showProgress(console: DemoConsole, event: StepProgress, startedAt: number): void {
  if (event.kind === 'streaming-input' && !event.isComplete && event.receivedBytes > 0)
    console.progress('input', event.receivedBytes, startedAt);
  else console.fact(...describe(event, startedAt));
}

/** Returns the label and the text of an event. */
function describe(event: StepProgress, startedAt: number): [label: string, text: string] {
  switch (event.kind) {
    case 'waiting-for-another-host':
      return ['waiting', `another host creates pod ${event.podName}`];
    case 'creating-pod':
      return ['pod', event.podName];
    case 'waiting-for-quota':
      return ['waiting', event.message];
    case 'unschedulable':
      return ['waiting', event.message ?? 'no node accepts the pod'];
    case 'scheduled':
      return ['node', event.nodeName];
    case 'pulling':
      return ['pulling', event.image];
    case 'waiting-for-volumes':
      return ['waiting', event.message];
    case 'pulled':
      return ['pulled', event.image];
    case 'agent-ready':
      return ['agent', 'answers'];
    case 'streaming-input':
      return ['input', describeInput(event)];
    case 'streaming-cache':
      return ['cache', `${event.path}: ${event.receivedBytes} bytes received`];
    case 'cache-lost':
      return ['cache', `${event.path} is empty: ${event.message}`];
    case 'inputs-done':
      return ['inputs', 'are in place'];
    case 'ready':
      return ['ready', `after ${((performance.now() - startedAt) / 1000).toFixed(2)} s`];
  }
}

function describeInput(event: StepProgress & { readonly kind: 'streaming-input' }): string {
  const { inputNumber, inputCount, handle, path, receivedBytes, isComplete } = event;
  const input = `${inputNumber} of ${inputCount}`;
  return isComplete ? `${input}: ${receivedBytes} bytes received` : `${input}: ${handle} to ${path}`;
}
