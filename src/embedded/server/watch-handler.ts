import type { ServerResponse } from 'node:http';
import { Timer } from '../../internal/timer.ts';
import type { ApiObject } from '../objects/api-object.ts';
import type { ObjectStore, StoreEvent } from '../objects/object-store.ts';
import { ApiError, expired } from '../objects/status.ts';
import { selectionOf } from './list-handler.ts';
import { type Form, metadataOnly } from './representation.ts';
import { isTrue, type ResourceTarget } from './request-info.ts';
import { toTable } from './table.ts';

const bookmarkIntervalMs = 60_000;
/** The server closes the connection of a watcher with a larger backlog, as the real server does. */
const maxBacklogBytes = 32 * 1024 * 1024;

interface WatchRequest {
  readonly store: ObjectStore;
  readonly target: ResourceTarget;
  readonly query: URLSearchParams;
  readonly form: Form;
  readonly response: ServerResponse;
  /** Whether to respond with 410 at once, regardless of the version (a fault). */
  readonly gone: boolean;
}

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

/**
 * Serves a watch until the client disconnects, `timeoutSeconds` pass or the server stops. Begins
 * after `resourceVersion`; without a version, or with `0`, begins with the current objects. Reports
 * a version that is too old in the stream, as an ERROR event with code 410.
 */
export function serveWatch(request: WatchRequest): void {
  const { store, target, query, response } = request;
  const selected = selectionOf(target, query);
  const version = parseVersion(query.get('resourceVersion'));
  const write = eventWriter(request);
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  const { plural } = target.resource;
  const initial = isTrue(query.get('sendInitialEvents'));
  try {
    if (request.gone) throw expired(`too old resource version: ${version} (${store.version})`);
    if (version === 0 || initial)
      for (const object of store.list(plural, target.namespace)) if (selected(object)) write.object('ADDED', object);
    if (version !== 0 && !initial) for (const event of store.since(plural, version)) forward(event, selected, write);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    response.end(`${JSON.stringify({ type: 'ERROR', object: error.body })}\n`);
    return;
  }
  const bookmark = (annotations?: Record<string, string>) =>
    write.raw('BOOKMARK', bookmarkObject(target, store.version, annotations));
  if (initial) bookmark({ 'k8s.io/initial-events-end': 'true' });
  const unsubscribe = store.subscribe(plural, (event) => forward(event, selected, write));
  const bookmarks = isTrue(query.get('allowWatchBookmarks'))
    ? setInterval(() => bookmark(), bookmarkIntervalMs)
    : undefined;
  const seconds = Number(query.get('timeoutSeconds') ?? 0);
  const finish = () => {
    if (bookmarks !== undefined) bookmark();
    response.end();
  };
  const timeout = seconds > 0 ? new Timer(seconds * 1000, finish) : undefined;
  response.once('close', () => {
    unsubscribe();
    clearInterval(bookmarks);
    timeout?.clear();
  });
}

function parseVersion(text: string | null): number {
  if (text === null || text === '') return 0;
  if (!/^[0-9]+$/.test(text))
    throw new ApiError(
      500,
      undefined,
      `resourceVersion: Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}

/**
 * Writes a change as the watcher's selection sees it. An object that starts or stops matching is
 * added or deleted.
 */
function forward(event: StoreEvent, selected: (object: ApiObject) => boolean, write: EventWriter): void {
  const before = event.previous !== undefined && selected(event.previous);
  const after = event.type !== 'DELETED' && selected(event.object);
  if (before && after) write.object('MODIFIED', event.object);
  else if (after) write.object('ADDED', event.object);
  else if (before) write.object('DELETED', event.object);
}

function bookmarkObject(target: ResourceTarget, version: number, annotations?: Record<string, string>): object {
  const metadata = {
    resourceVersion: String(version),
    creationTimestamp: null,
    ...(annotations === undefined ? {} : { annotations }),
  };
  const { kind, apiVersion } = target.resource;
  return { kind, apiVersion, metadata };
}

interface EventWriter {
  /** Writes an object in the requested form. */
  object(type: EventType, object: ApiObject): void;
  raw(type: EventType, object: object): void;
}

function eventWriter({ response, form, target }: WatchRequest): EventWriter {
  let headers = true;
  const shape = (object: ApiObject): object => {
    if (form === 'object') return object;
    if (form === 'metadata') return metadataOnly(object);
    const table = toTable({
      resource: target.resource.plural,
      objects: [object],
      metadata: { resourceVersion: object.metadata.resourceVersion },
      now: Date.now(),
      headers,
    });
    headers = false;
    return table;
  };
  const raw = (type: EventType, object: object) => {
    if (response.destroyed || response.writableEnded) return;
    response.write(`${JSON.stringify({ type, object })}\n`);
    if (response.writableLength > maxBacklogBytes) response.destroy();
  };
  return { raw, object: (type, object) => raw(type, shape(object)) };
}
