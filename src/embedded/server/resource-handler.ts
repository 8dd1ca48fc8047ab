import type { IncomingMessage } from 'node:http';
import { type ApiObject, isRecord } from '../objects/api-object.ts';
import { deleteObject, deletionOptions, finishDeletion } from '../objects/object-deletion.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { ApiError, badRequest, methodNotAllowed, notFound, staleVersion } from '../objects/status.ts';
import { assertValid, assertValidUpdate, toObject, updatedObject } from './incoming-object.ts';
import { listObjects, selectionOf } from './list-handler.ts';
import { applyPatch } from './patches.ts';
import { decodeProtobuf } from './protobuf.ts';
import {
  type Form,
  mediaType,
  parseJson,
  protobufType,
  readBody,
  readObject,
  representObject,
} from './representation.ts';
import type { RequestInfo, ResourceTarget } from './request-info.ts';

/** A response. */
export interface Answer {
  readonly code: number;
  readonly body: object;
}

interface ResourceRequest {
  readonly store: ObjectStore;
  readonly info: RequestInfo;
  readonly target: ResourceTarget;
  readonly form: Form;
  readonly message: IncomingMessage;
}

/** Serves the verbs with a single response: all except watch, log and exec. */
export async function handleResource(request: ResourceRequest): Promise<Answer> {
  const { store, info, target, form } = request;
  const { plural } = target.resource;
  switch (info.verb) {
    case 'list':
      return { code: 200, body: listObjects(store, target, info.query, form) };
    case 'get':
      return { code: 200, body: representObject(named(request), form, plural) };
    case 'create':
      return { code: 201, body: representObject(await create(request), form, plural) };
    case 'update':
      return { code: 200, body: representObject(await update(request), form, plural) };
    case 'patch':
      return { code: 200, body: representObject(await patch(request), form, plural) };
    case 'delete':
      return { code: 200, body: await remove(request) };
    case 'deletecollection':
      return { code: 200, body: await removeAll(request) };
    default:
      throw methodNotAllowed();
  }
}

function named({ store, target }: ResourceRequest): ApiObject {
  if (target.name === undefined) throw methodNotAllowed();
  return store.get(target.resource.plural, target.namespace, target.name);
}

function isDryRun(info: RequestInfo): boolean {
  return info.query.get('dryRun') === 'All';
}

async function create({ store, info, target, message }: ResourceRequest): Promise<ApiObject> {
  const { resource, namespace, name } = target;
  if (name !== undefined || (resource.namespaced && namespace === undefined)) throw methodNotAllowed();
  const body = await readObject(message, resource.kind);
  const object = resource.withDefaults(toObject(body, target));
  assertNamespaceOpen(store, namespace, object);
  assertValid(object, target);
  const { uid: _uid, resourceVersion, creationTimestamp: _time, ...metadata } = object.metadata;
  if (resourceVersion !== '') throw badRequest('resourceVersion should not be set on objects to be created');
  return store.create(resource.plural, { ...object, metadata }, { dryRun: isDryRun(info) });
}

function assertNamespaceOpen(store: ObjectStore, namespace: string | undefined, object: ApiObject): void {
  if (namespace === undefined) return;
  const found = store.get('namespaces', undefined, namespace);
  if (found.metadata.deletionTimestamp === undefined) return;
  const { name } = object.metadata;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  throw new ApiError(403, 'Forbidden', `${object.kind.toLowerCase()}s "${name}" is forbidden: ${why}`, {
    name,
    causes: [{ reason: 'NamespaceTerminating', message: why, field: 'metadata.namespace' }],
  });
}

async function update(request: ResourceRequest): Promise<ApiObject> {
  const previous = named(request);
  return replace(request, previous, await readObject(request.message, request.target.resource.kind));
}

function replace(
  { store, info, target }: ResourceRequest,
  previous: ApiObject,
  body: Record<string, unknown>,
): ApiObject {
  const { plural } = target.resource;
  const given = toObject(body, target);
  const { resourceVersion } = given.metadata;
  if (resourceVersion !== '' && resourceVersion !== previous.metadata.resourceVersion)
    throw staleVersion(plural, previous.metadata.name);
  const next = updatedObject(previous, target.subresource === 'status' ? given : withoutStringData(given), target);
  assertValidUpdate(previous, next, target);
  if (isDryRun(info)) return next;
  const updated = store.update(plural, next);
  finishDeletion(store, plural, updated);
  return updated;
}

/** Moves a secret's `stringData` into `data`, because `stringData` is write-only. */
function withoutStringData(object: ApiObject): ApiObject {
  const { stringData, ...rest } = object;
  if (!isRecord(stringData)) return rest;
  const encoded = Object.fromEntries(
    Object.entries(stringData).map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')]),
  );
  return { ...rest, data: { ...(isRecord(rest.data) ? rest.data : {}), ...encoded } };
}

async function patch(request: ResourceRequest): Promise<ApiObject> {
  const { message, target } = request;
  const type = mediaType(message);
  const text = (await readBody(message)).toString('utf8');
  const previous = named(request);
  const result = applyPatch(type, previous, text === '' ? {} : parseJson(text, 'error decoding patch'));
  if (!isRecord(result)) throw badRequest(`the result of the patch is not a ${target.resource.kind}`);
  return replace(request, previous, result);
}

async function readDeletionOptions({ message, info }: ResourceRequest): Promise<ReturnType<typeof deletionOptions>> {
  const body = await readBody(message);
  if (mediaType(message) === protobufType && body.length > 0) return deletionOptions(decodeProtobuf(body), info.query);
  const text = body.toString('utf8');
  return deletionOptions(text === '' ? undefined : parseJson(text, 'error decoding DeleteOptions'), info.query);
}

async function remove(request: ResourceRequest): Promise<object> {
  const { store, target, info } = request;
  if (target.subresource !== undefined) throw methodNotAllowed();
  const options = await readDeletionOptions(request);
  const object = named(request);
  return isDryRun(info) ? object : deleteObject(store, target.resource, object, options);
}

async function removeAll(request: ResourceRequest): Promise<object> {
  const { store, target, info } = request;
  const { resource, namespace } = target;
  if (resource.namespaced && namespace === undefined) throw methodNotAllowed();
  if (namespace !== undefined && store.find('namespaces', undefined, namespace) === undefined)
    throw notFound('namespaces', namespace);
  const options = await readDeletionOptions(request);
  const selected = selectionOf(target, info.query);
  const chosen = store.list(resource.plural, namespace).filter(selected);
  for (const object of chosen) deleteObject(store, resource, object, options);
  return {
    kind: `${resource.kind}List`,
    apiVersion: resource.apiVersion,
    metadata: { resourceVersion: String(store.version) },
    items: chosen,
  };
}
