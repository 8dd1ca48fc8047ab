import type { ApiObject } from '../objects/api-object.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { selectableFields, supportedFields } from '../objects/resources.ts';
import { badRequest, expired } from '../objects/status.ts';
import { type Form, metadataOnly } from './representation.ts';
import type { ResourceTarget } from './request-info.ts';
import { parseFieldSelector, parseLabelSelector } from './selectors.ts';
import { toTable } from './table.ts';

/**
 * Returns whether an object is in the collection that the request selects by namespace, labels and
 * fields.
 */
export type Selection = (object: ApiObject) => boolean;

/**
 * Parses the selectors of a list, watch or deletecollection.
 * @throws ApiError 400
 */
export function selectionOf(target: ResourceTarget, query: URLSearchParams): Selection {
  const labels = parseLabelSelector(query.get('labelSelector'));
  const fields = parseFieldSelector(query.get('fieldSelector'), supportedFields(target.resource));
  return (object) =>
    (target.namespace === undefined || object.metadata.namespace === target.namespace) &&
    (target.name === undefined || object.metadata.name === target.name) &&
    labels(object.metadata.labels ?? {}) &&
    fields(selectableFields(target.resource, object));
}

interface ContinueToken {
  readonly version: number;
  readonly after: string;
}

function parseContinue(token: string | null): ContinueToken | undefined {
  if (token === null || token === '') return undefined;
  const match = /^([0-9]+)\n(.*)$/s.exec(Buffer.from(token, 'base64url').toString('utf8'));
  if (match === null) throw badRequest('invalid continue token: continue key is not valid');
  return { version: Number(match[1]), after: match[2] ?? '' };
}

/**
 * Returns the body of a list: all objects or, with `limit`, one page and the token of the next
 * page.
 * @throws ApiError 410 for a token that is too old
 */
export function listObjects(store: ObjectStore, target: ResourceTarget, query: URLSearchParams, form: Form): object {
  const { resource } = target;
  const selected = selectionOf(target, query);
  const token = parseContinue(query.get('continue'));
  if (token !== undefined) assertFresh(store, resource.plural, token);
  const key = (object: ApiObject) => `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
  const found = store
    .list(resource.plural, target.namespace)
    .filter((object) => selected(object) && (token === undefined || key(object) > token.after));
  const limit = Number(query.get('limit') ?? 0);
  const page = limit > 0 ? found.slice(0, limit) : found;
  const version = token?.version ?? store.version;
  const last = page.at(-1);
  const more = page.length < found.length && last !== undefined;
  const metadata = {
    resourceVersion: String(version),
    ...(more
      ? {
          continue: Buffer.from(`${version}\n${key(last)}`).toString('base64url'),
          remainingItemCount: found.length - page.length,
        }
      : {}),
  };
  if (form === 'table')
    return toTable({ resource: resource.plural, objects: page, metadata, now: Date.now(), headers: true });
  if (form === 'metadata')
    return { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items: page.map(metadataOnly) };
  return { kind: `${resource.kind}List`, apiVersion: resource.apiVersion, metadata, items: page.map(withoutType) };
}

function assertFresh(store: ObjectStore, plural: string, { version }: ContinueToken): void {
  try {
    store.since(plural, version);
  } catch {
    throw expired(
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.',
    );
  }
}

/** The items of the real server's lists have neither kind nor apiVersion. */
function withoutType({ kind: _kind, apiVersion: _apiVersion, ...rest }: ApiObject): object {
  return rest;
}
