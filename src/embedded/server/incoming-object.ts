import { randomBytes } from 'node:crypto';
import { type ApiObject, isRecord, type ObjectMeta, stringMap, textOf } from '../objects/api-object.ts';
import { badRequest, invalid } from '../objects/status.ts';
import { validateMetadata } from '../objects/validation.ts';
import type { ResourceTarget } from './request-info.ts';

const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * Converts the body of a create or update into an object. Checks kind, namespace and name against
 * the URL, and keeps only the known metadata. The fields that the server sets are empty.
 * @throws ApiError 400
 */
export function toObject(body: Record<string, unknown>, target: ResourceTarget): ApiObject {
  const { kind, apiVersion } = target.resource;
  const given = body['kind'] ?? kind;
  const version = body['apiVersion'] ?? apiVersion;
  if (given !== kind || version !== apiVersion)
    throw badRequest(`${textOf(given)} in version "${textOf(version)}" cannot be handled as a ${kind}`);
  const metadata = toMetadata(isRecord(body['metadata']) ? body['metadata'] : {}, target);
  return { ...body, apiVersion, kind, metadata };
}

function toMetadata(given: Record<string, unknown>, { namespace, name, resource }: ResourceTarget): ObjectMeta {
  const text = (field: string) => (typeof given[field] === 'string' ? given[field] : '');
  if (resource.namespaced && text('namespace') !== '' && text('namespace') !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if (name !== undefined && text('name') !== '' && text('name') !== name) {
    throw badRequest(`the name of the object (${text('name')}) does not match the name on the URL (${name})`);
  }
  const generateName = text('generateName');
  const finalizers = Array.isArray(given['finalizers'])
    ? given['finalizers'].filter((each) => typeof each === 'string')
    : [];
  return {
    name: text('name') || name || (generateName === '' ? '' : `${generateName}${randomSuffix()}`),
    ...(generateName === '' ? {} : { generateName }),
    ...(resource.namespaced && namespace !== undefined ? { namespace } : {}),
    uid: text('uid'),
    resourceVersion: text('resourceVersion'),
    creationTimestamp: text('creationTimestamp'),
    ...(isRecord(given['labels']) ? { labels: stringMap(given['labels']) } : {}),
    ...(isRecord(given['annotations']) ? { annotations: stringMap(given['annotations']) } : {}),
    ...(Array.isArray(given['ownerReferences']) ? { ownerReferences: given['ownerReferences'] } : {}),
    ...(finalizers.length === 0 ? {} : { finalizers }),
  };
}

function randomSuffix(): string {
  return [...randomBytes(5)].map((byte) => suffixAlphabet[byte % suffixAlphabet.length]).join('');
}

/** @throws ApiError 422 with every fault of a new object */
export function assertValid(object: ApiObject, target: ResourceTarget): void {
  const causes = [...validateMetadata(object, target.resource.checkName), ...target.resource.validate(object)];
  if (causes.length > 0) throw invalid(object.kind, object.metadata.name, causes);
}

/**
 * Returns the object of an update. Keeps the identity and the deletion of the previous object, and
 * the half (spec or status) that the request does not update.
 */
export function updatedObject(previous: ApiObject, next: ApiObject, target: ResourceTarget): ApiObject {
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generateName, namespace, name } =
    previous.metadata;
  const metadata: ObjectMeta = {
    name,
    ...(generateName === undefined ? {} : { generateName }),
    ...(namespace === undefined ? {} : { namespace }),
    uid: next.metadata.uid === '' ? uid : next.metadata.uid,
    resourceVersion: next.metadata.resourceVersion,
    creationTimestamp,
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    ...(deletionGracePeriodSeconds === undefined ? {} : { deletionGracePeriodSeconds }),
    ...pickDefined(next.metadata, ['labels', 'annotations', 'finalizers', 'ownerReferences']),
  };
  if (target.subresource === 'status')
    return {
      ...previous,
      metadata: { ...previous.metadata, resourceVersion: next.metadata.resourceVersion },
      status: next.status,
    };
  return { ...next, metadata, ...(target.resource.hasStatus ? { status: previous.status } : {}) };
}

function pickDefined(source: object, keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(source).filter(([key, value]) => keys.includes(key) && value !== undefined));
}

/** @throws ApiError 422 with every fault of the replacement of `previous` by `next` */
export function assertValidUpdate(previous: ApiObject, next: ApiObject, target: ResourceTarget): void {
  const { resource } = target;
  const causes = [
    ...validateMetadata(next, resource.checkName),
    ...resource.validate(next),
    ...resource.validateUpdate(previous, next),
  ];
  if (causes.length > 0) throw invalid(next.kind, next.metadata.name, causes);
}
