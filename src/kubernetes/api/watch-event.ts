import { type ApiCallFacts, ApiError } from '../../errors/cluster.ts';
import type { PodChange } from '../cluster.ts';
import { WatchExpiredError } from '../watch-expired-error.ts';
import { apiAnswerError } from './api-error.ts';
import { podFromJson } from './object-json.ts';

const types: Readonly<Record<string, PodChange['type'] | undefined>> = {
  ADDED: 'added',
  MODIFIED: 'modified',
  DELETED: 'deleted',
};

/** Identifies a watch in its errors. */
export interface WatchFacts extends ApiCallFacts {
  readonly resourceVersion: string;
}

/**
 * Decodes one line of a watch of pods. Returns `undefined` for an event that does not change a pod,
 * like a bookmark.
 *
 * @throws WatchExpiredError - the version is too old (410)
 * @throws ClusterError - the watch ends with another error; a line that is not an event counts as
 * one
 */
export function decodeWatchLine(line: string, facts: WatchFacts): PodChange | undefined {
  const event = parseEvent(line);
  if (event === undefined) throw apiAnswerError({ status: 502, body: `not an event of a watch: ${line}` }, facts);
  if (event.type === 'ERROR') throw errorOfEvent(event.object, facts);
  const type = types[event.type];
  const pod = type === undefined ? undefined : podFromJson(event.object);
  return type === undefined || pod === undefined ? undefined : { type, pod };
}

/** Converts the error of a watch request: a 410 becomes `WatchExpiredError`, others stay. */
export function watchError(error: unknown, { resourceVersion }: WatchFacts): unknown {
  return error instanceof ApiError && error.status === 410
    ? new WatchExpiredError(resourceVersion, error.message)
    : error;
}

function errorOfEvent(status: unknown, facts: WatchFacts): unknown {
  const code =
    typeof status === 'object' && status !== null && 'code' in status && typeof status.code === 'number'
      ? status.code
      : 500;
  return watchError(apiAnswerError({ status: code, body: JSON.stringify(status) }, facts), facts);
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
