import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { LogQuery } from '../kubelet/container-log.ts';
import type { PodRunner } from '../kubelet/pod-runner.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { badRequest } from '../objects/status.ts';
import { findNamedContainer } from './named-container.ts';
import { isTrue, type ResourceTarget } from './request-info.ts';

interface LogRequest {
  readonly store: ObjectStore;
  readonly runner: PodRunner;
  readonly target: ResourceTarget;
  readonly query: URLSearchParams;
  readonly response: ServerResponse;
}

/**
 * Serves `pods/log` with `container`, `previous`, `follow`, `tailLines`, `sinceSeconds`,
 * `timestamps` and `limitBytes`.
 * @throws ApiError
 */
export async function serveLog({ store, runner, target, query, response }: LogRequest): Promise<void> {
  const { pod, container } = findNamedContainer(store, target, query);
  const runs = runner.container(pod, container);
  const log = runs?.log(isTrue(query.get('previous')));
  if (log === undefined) {
    if (isTrue(query.get('previous')))
      throw badRequest(`previous terminated container "${container}" in pod "${pod.metadata.name}" not found`);
    const reason = runs?.status.state.waiting?.reason ?? '';
    const shown = /ImagePull/.test(reason) ? 'trying and failing to pull image' : reason;
    if (shown !== '' && pod.spec.nodeName)
      throw badRequest(`container "${container}" in pod "${pod.metadata.name}" is waiting to start: ${shown}`);
    response.writeHead(204).end();
    return;
  }
  response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  let left = Number(query.get('limitBytes') ?? Number.POSITIVE_INFINITY);
  for await (const line of log.read(logQuery(query, closed.signal))) {
    const bytes = Buffer.from(line, 'latin1').subarray(0, left);
    left -= bytes.length;
    if (!response.write(bytes) && !closed.signal.aborted)
      await once(response, 'drain', { signal: closed.signal }).catch(() => undefined);
    if (left <= 0 || closed.signal.aborted) break;
  }
  response.end();
}

function logQuery(query: URLSearchParams, signal: AbortSignal): LogQuery {
  const tail = query.get('tailLines');
  const since = query.get('sinceSeconds');
  const sinceTime = query.get('sinceTime');
  return {
    follow: isTrue(query.get('follow')),
    timestamps: isTrue(query.get('timestamps')),
    tailLines: tail === null ? undefined : Number(tail),
    sinceMs:
      since !== null ? Date.now() - Number(since) * 1000 : sinceTime !== null ? Date.parse(sinceTime) : undefined,
    signal,
  };
}
