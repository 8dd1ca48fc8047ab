import { type ApiObject, apiTime, isPod, isRecord, type Pod } from './api-object.ts';
import type { ObjectStore } from './object-store.ts';
import { type ResourceDefinition, resourceDefinitions } from './resources.ts';
import { conflict, deleted, type StatusBody } from './status.ts';

/** `DeleteOptions`, from the body or from the query. */
export interface DeletionOptions {
  readonly gracePeriodSeconds: number | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
}

export function deletionOptions(body: unknown, query: URLSearchParams): DeletionOptions {
  const options = isRecord(body) ? body : {};
  const preconditions = isRecord(options['preconditions']) ? options['preconditions'] : {};
  const grace =
    options['gracePeriodSeconds'] ??
    (query.has('gracePeriodSeconds') ? Number(query.get('gracePeriodSeconds')) : undefined);
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  return {
    gracePeriodSeconds: typeof grace === 'number' && Number.isFinite(grace) ? Math.max(0, grace) : undefined,
    uid: text(preconditions['uid']),
    resourceVersion: text(preconditions['resourceVersion']),
  };
}

/**
 * Deletes an object as the real server does. Marks a pod that has a node, and removes it when its
 * containers have ended, or at once with a grace period of 0. Removes a namespace after everything
 * in it. Keeps an object with finalizers until they are removed. Returns the body of the response.
 * @throws ApiError 409 if a precondition does not hold
 */
export function deleteObject(
  store: ObjectStore,
  resource: ResourceDefinition,
  object: ApiObject,
  options: DeletionOptions,
): ApiObject | StatusBody {
  const { name, uid, resourceVersion, namespace } = object.metadata;
  assertPrecondition(object, 'UID', options.uid, uid);
  assertPrecondition(object, 'ResourceVersion', options.resourceVersion, resourceVersion);
  if (resource.plural === 'namespaces') return deleteNamespace(store, object);
  if (isPod(object)) return deletePod(store, object, options);
  if ((object.metadata.finalizers ?? []).length > 0) return store.update(resource.plural, markedForDeletion(object, 0));
  store.remove(resource.plural, namespace, name);
  return deleted(resource.plural, name, uid);
}

function assertPrecondition(object: ApiObject, what: string, wanted: string | undefined, actual: string): void {
  if (wanted === undefined || wanted === actual) return;
  const { name } = object.metadata;
  const consequence =
    what === 'UID' ? 'The object might have been deleted and then recreated' : 'The object might have been modified';
  throw conflict(
    object.kind,
    name,
    `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${actual}). ${consequence}`,
  );
}

function deletePod(store: ObjectStore, pod: Pod, options: DeletionOptions): ApiObject {
  const ended = pod.spec.nodeName === undefined || pod.status.phase === 'Succeeded' || pod.status.phase === 'Failed';
  const wanted = options.gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
  const grace = ended ? 0 : wanted;
  const before = pod.metadata.deletionGracePeriodSeconds;
  if (before !== undefined && grace >= before && grace !== 0) return pod;
  const next = before !== undefined && grace === before ? pod : store.update('pods', markedForDeletion(pod, grace));
  if (grace === 0) finishDeletion(store, 'pods', next);
  return next;
}

function markedForDeletion(object: ApiObject, graceSeconds: number): ApiObject {
  const deletionTimestamp = apiTime(Date.now() + graceSeconds * 1000);
  return { ...object, metadata: { ...object.metadata, deletionTimestamp, deletionGracePeriodSeconds: graceSeconds } };
}

/** Removes an object that is marked for deletion, unless a finalizer holds it. */
export function finishDeletion(store: ObjectStore, plural: string, object: ApiObject): void {
  const { namespace, name, uid } = object.metadata;
  const current = store.find(plural, namespace, name);
  if (current === undefined || current.metadata.uid !== uid) return;
  if (current.metadata.deletionTimestamp === undefined || (current.metadata.finalizers ?? []).length > 0) return;
  store.remove(plural, namespace, name);
}

function deleteNamespace(store: ObjectStore, namespace: ApiObject): ApiObject {
  const next =
    namespace.metadata.deletionTimestamp === undefined
      ? store.update('namespaces', { ...markedForDeletion(namespace, 0), status: { phase: 'Terminating' } })
      : namespace;
  emptyNamespace(store, next.metadata.name);
  return next;
}

/**
 * Deletes the content of a namespace that is being deleted, and removes the namespace when nothing
 * is left. Call it again whenever one of its pods is removed.
 */
export function emptyNamespace(store: ObjectStore, name: string): void {
  if (store.find('namespaces', undefined, name)?.metadata.deletionTimestamp === undefined) return;
  const options: DeletionOptions = { gracePeriodSeconds: undefined, uid: undefined, resourceVersion: undefined };
  let left = 0;
  for (const resource of resourceDefinitions) {
    if (!resource.namespaced) continue;
    for (const object of store.list(resource.plural, name)) {
      if (object.metadata.deletionTimestamp === undefined) deleteObject(store, resource, object, options);
      if (store.find(resource.plural, name, object.metadata.name) !== undefined) left += 1;
    }
  }
  if (left === 0) store.remove('namespaces', undefined, name);
}
