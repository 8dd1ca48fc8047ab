import type { ApiCallFacts } from '../errors/cluster.ts';
import { apiAnswerError } from './api-error.ts';
import type { PodChange } from './cluster.ts';
import { podFromJson } from './pod-json.ts';
import { WatchExpiredError } from './watch-expired-error.ts';

const types: Readonly<Record<string, PodChange['type'] | undefined>> = {
  ADDED: 'added',
  MODIFIED: 'modified',
  DELETED: 'deleted',
};

/** What a watch is about, for its errors. */
export interface WatchFacts extends ApiCallFacts {
  readonly resourceVersion: string;
}

/**
 * What one line of a watch of pods says; `undefined`: nothing that changes a pod, like a bookmark.
 *
 * @throws WatchExpiredError - the version is too old (410)
 * @throws ClusterError - the watch ends with another error; a line that isn't an event counts as one
 */
export function decodeWatchLine(line: string, facts: WatchFacts): PodChange | undefined {
  const event = parseEvent(line);
  if (event === undefined) throw apiAnswerError({ status: 502, body: `not an event of a watch: ${line}` }, facts);
  if (event.type === 'ERROR') throw watchError(event.object, facts);
  const type = types[event.type];
  const pod = type === undefined ? undefined : podFromJson(event.object);
  return type === undefined || pod === undefined ? undefined : { type, pod };
}

/** The error that an answer to a watch means. */
export function watchAnswerError(status: number, body: string, facts: WatchFacts): Error {
  if (status !== 410) return apiAnswerError({ status, body }, facts);
  return new WatchExpiredError(facts.resourceVersion, body.slice(0, 200));
}

function watchError(status: unknown, facts: WatchFacts): Error {
  const code =
    typeof status === 'object' && status !== null && 'code' in status && typeof status.code === 'number'
      ? status.code
      : 500;
  return watchAnswerError(code, JSON.stringify(status), facts);
}

function parseEvent(line: string): { type: string; object: unknown } | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  if (!('type' in parsed) || typeof parsed.type !== 'string' || !('object' in parsed)) return undefined;
  return { type: parsed.type, object: parsed.object };
}
