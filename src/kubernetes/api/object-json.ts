import type {
  ClusterUser,
  ConfigMap,
  KubernetesNode,
  NetworkPolicy,
  ObjectMetadata,
  Pod,
  PodEvent,
  PodMetrics,
  ResourceQuota,
  Secret,
} from '../cluster.ts';
import { isFields } from '../fields.ts';
import type { Page } from './paged.ts';

type JsonObject = Record<string, unknown>;

/** Returns `undefined` if the JSON is not an object. */
export function objectFromJson(json: unknown): object | undefined {
  return isObject(json) ? json : undefined;
}

/**
 * Returns a pod whose times are dates, as client-node's types declare them, without its managed
 * fields. Changes the JSON in place. Returns `undefined` if the JSON is not an object.
 */
export function podFromJson(json: unknown): Pod | undefined {
  if (!isObject(json)) return undefined;
  const { status } = json;
  reviveMetadata(json);
  if (isObject(status)) {
    toDates(status, ['startTime']);
    for (const condition of objectsIn(status['conditions']))
      toDates(condition, ['lastProbeTime', 'lastTransitionTime']);
    for (const kind of ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses']) {
      for (const container of objectsIn(status[kind])) reviveContainer(container);
    }
  }
  return json;
}

/** Does for a config map what `podFromJson` does for a pod. */
export function configMapFromJson(json: unknown): ConfigMap | undefined {
  if (!isObject(json)) return undefined;
  reviveMetadata(json);
  return json;
}

/** Does for an event what `podFromJson` does for a pod. */
export function eventFromJson(json: unknown): PodEvent | undefined {
  if (!isObject(json)) return undefined;
  const { involvedObject, metadata = {}, ...rest } = json;
  if (!isObject(involvedObject) || !isObject(metadata)) return undefined;
  const event = { ...rest, involvedObject, metadata };
  reviveMetadata(event);
  toDates(event, ['firstTimestamp', 'lastTimestamp', 'eventTime']);
  for (const series of objectsIn([json['series']])) toDates(series, ['lastObservedTime']);
  return event;
}

/** Returns what a PodMetrics object states, as far as it has the form. */
export function podMetricsFromJson(json: unknown): PodMetrics | undefined {
  if (!isObject(json)) return undefined;
  const containers = objectsIn(json['containers']).flatMap(({ name, usage }) => {
    if (typeof name !== 'string' || !isObject(usage)) return [];
    const amounts = Object.entries(usage).filter((amount): amount is [string, string] => typeof amount[1] === 'string');
    return [{ name, usage: Object.fromEntries(amounts) }];
  });
  return { containers };
}

/** Does for a secret what `podFromJson` does for a pod. */
export function secretFromJson(json: unknown): Secret | undefined {
  if (!isObject(json)) return undefined;
  reviveMetadata(json);
  return json;
}

/** Does for a network policy what `podFromJson` does for a pod. */
export function networkPolicyFromJson(json: unknown): NetworkPolicy | undefined {
  if (!isObject(json)) return undefined;
  reviveMetadata(json);
  return json;
}

/** Does for a node's metadata what `podFromJson` does for a pod's. */
export function nodeFromJson(json: unknown): KubernetesNode | undefined {
  if (!isObject(json)) return undefined;
  reviveMetadata(json);
  return json;
}

/** Does for a resource quota what `podFromJson` does for a pod. */
export function resourceQuotaFromJson(json: unknown): ResourceQuota | undefined {
  if (!isObject(json)) return undefined;
  reviveMetadata(json);
  return json;
}

/** Returns the `gitVersion` of the response to `GET /version`. */
export function versionFromJson(json: unknown): string | undefined {
  const version = isObject(json) ? json['gitVersion'] : undefined;
  return typeof version === 'string' ? version : undefined;
}

/** The user of a TokenReview; `undefined` if the token was not accepted. */
export interface ReviewedToken {
  readonly user: ClusterUser | undefined;
}

/**
 * Returns the user of a TokenReview. A server that does not support audiences returns none: with
 * requested audiences, the token is then not accepted.
 */
export function tokenReviewFromJson(json: unknown, audiences: readonly string[]): ReviewedToken | undefined {
  const status = isObject(json) ? json['status'] : undefined;
  if (!isObject(status)) return undefined;
  const { authenticated, user, audiences: accepted } = status;
  const isForUs = audiences.length === 0 || textsOf(accepted).some((audience) => audiences.includes(audience));
  if (authenticated !== true || !isForUs) return { user: undefined };
  if (!isObject(user) || typeof user['username'] !== 'string') return undefined;
  const { username, uid, groups, extra } = user;
  const more = isObject(extra) ? Object.entries(extra).map(([key, value]) => [key, textsOf(value)] as const) : [];
  return {
    user: {
      username,
      uid: typeof uid === 'string' ? uid : undefined,
      groups: textsOf(groups),
      extra: Object.fromEntries(more),
    },
  };
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

/** Returns whether a SelfSubjectAccessReview or a SubjectAccessReview was allowed. */
export function accessReviewFromJson(json: unknown): boolean | undefined {
  const status = isObject(json) ? json['status'] : undefined;
  const allowed = isObject(status) ? status['allowed'] : undefined;
  return typeof allowed === 'boolean' ? allowed : undefined;
}

/**
 * Returns a decoder for pages of a list, from a decoder of one item. It returns `undefined` for
 * JSON that is not a list.
 */
export function pageFromJson<T>(
  itemFromJson: (json: unknown) => T | undefined,
): (json: unknown) => Page<T> | undefined {
  return (json) => {
    if (!isObject(json)) return undefined;
    const { items, metadata } = json;
    // Go encodes an empty slice as null.
    if (items !== null && !Array.isArray(items)) return undefined;
    return {
      items: (items ?? []).map(itemFromJson).filter((item) => item !== undefined),
      metadata: isObject(metadata) ? metadata : {},
    };
  };
}

/**
 * Returns a page of metadata, and the time of the response. Returns `undefined` for JSON that is not
 * a list, and if one of the items has no name or no uid: a page without it would be a part of the
 * list.
 */
export function metadataPageFromJson(
  json: unknown,
  at: Date | undefined,
): (Page<ObjectMetadata> & { readonly at: Date | undefined }) | undefined {
  const page = pageFromJson((item) => metadataFromJson(item) ?? 'none')(json);
  if (page === undefined) return undefined;
  const items = page.items.filter((item) => item !== 'none');
  return items.length === page.items.length ? { ...page, items, at } : undefined;
}

function metadataFromJson(json: unknown): ObjectMetadata | undefined {
  if (!isObject(json) || !isObject(json['metadata'])) return undefined;
  const { name, uid, ...rest } = json['metadata'];
  if (typeof name !== 'string' || typeof uid !== 'string') return undefined;
  const metadata = { ...rest, name, uid };
  reviveMetadata({ metadata });
  return metadata;
}

function reviveMetadata({ metadata }: JsonObject): void {
  if (!isObject(metadata)) return;
  toDates(metadata, ['creationTimestamp', 'deletionTimestamp']);
  // Managed fields are more than half of a pod, and the library does not read them.
  delete metadata['managedFields'];
}

function reviveContainer(container: JsonObject): void {
  for (const state of [container['state'], container['lastState']]) {
    if (!isObject(state)) continue;
    for (const kind of objectsIn([state['running'], state['terminated']])) toDates(kind, ['startedAt', 'finishedAt']);
  }
}

function isObject(value: unknown): value is JsonObject {
  return isFields(value);
}

function objectsIn(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function toDates(object: JsonObject, fields: readonly string[]): void {
  for (const field of fields) {
    const value = object[field];
    if (typeof value === 'string') object[field] = new Date(value);
    else if (value === null) delete object[field];
  }
}
