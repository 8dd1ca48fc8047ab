import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { answerJson, failure, type ScriptedApiServer } from '../../support/api-server.ts';
import type { VirtualClock } from '../../support/virtual-clock.ts';

export type Respond = (response: ServerResponse) => void;

export const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', uid: 'u', creationTimestamp: '2030-01-01T00:00:00Z' },
};

export const newPod: Pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'main', image: 'x' }] } };

/** Sends these responses in order, and repeats the last one. */
export function respondInOrder(server: ScriptedApiServer, steps: readonly Respond[]): void {
  let count = 0;
  server.rest = (_request, response) => {
    const step = steps[Math.min(count, steps.length - 1)];
    count += 1;
    step?.(response);
  };
}

/** Responds with a `Status`. */
export const fails =
  (code: number, reason: string, headers: Record<string, string> = {}): Respond =>
  (response) =>
    answerJson(response, code, failure(code, reason, `words of ${reason}`), headers);

/** Responds with an object. */
export const gives =
  (body: object): Respond =>
  (response) =>
    answerJson(response, 200, body);

/** Advances the virtual time until the call settles. */
export async function settled<T>(clock: VirtualClock, call: Promise<T>): Promise<T> {
  let isSettled = false;
  const done = (): void => void (isSettled = true);
  call.then(done, done);
  while (!isSettled) {
    await clock.advance(500);
    await sleep(2);
  }
  return call;
}
