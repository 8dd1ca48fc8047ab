import type { Pod } from './cluster.ts';

/**
 * A pod as the generated types promise it. The events of a watch are plain JSON, in which times are strings; lists and gets have dates.
 */
export function podFromJson(json: unknown): Pod | undefined {
  if (!isObject(json)) return undefined;
  const { metadata, status } = json;
  if (isObject(metadata)) {
    toDates(metadata, ['creationTimestamp', 'deletionTimestamp']);
    for (const field of objectsIn(metadata['managedFields'])) toDates(field, ['time']);
  }
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

function reviveContainer(container: JsonObject): void {
  for (const state of [container['state'], container['lastState']]) {
    if (!isObject(state)) continue;
    for (const kind of objectsIn([state['running'], state['terminated']])) toDates(kind, ['startedAt', 'finishedAt']);
  }
}

type JsonObject = Record<string, unknown>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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
