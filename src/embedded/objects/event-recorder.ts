import { randomBytes } from 'node:crypto';
import { type ApiObject, apiTime, isRecord, type Pod } from './api-object.ts';
import type { NewObject, ObjectStore } from './object-store.ts';

const eventLifetimeMs = 3_600_000;

/** An event of a pod, as `kubectl describe` prints it. */
export interface PodEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly component: 'kubelet' | 'default-scheduler';
  /** The container that the event refers to. */
  readonly container?: string;
}

type EventObject = ApiObject & {
  readonly count: number;
  readonly lastTimestamp: string;
  readonly message: string;
  readonly reason: string;
  readonly involvedObject: unknown;
};

/** Creates the events of pods. Counts an event that repeats, and deletes events after an hour. */
export class EventRecorder {
  readonly #store: ObjectStore;
  readonly #now: () => number;

  constructor(store: ObjectStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  record(pod: Pod, event: PodEvent): void {
    const { namespace = 'default', name, uid, resourceVersion } = pod.metadata;
    if (this.#store.find('namespaces', undefined, namespace)?.metadata.deletionTimestamp !== undefined) return;
    const now = apiTime(this.#now());
    const existing = this.#store.list('events', namespace).filter(isEvent);
    for (const old of existing)
      if (this.#now() - Date.parse(old.lastTimestamp) > eventLifetimeMs)
        this.#store.remove('events', namespace, old.metadata.name);
    const same = existing.find(
      (old) =>
        isRecord(old.involvedObject) &&
        old.involvedObject['uid'] === uid &&
        old.reason === event.reason &&
        old.message === event.message,
    );
    if (same !== undefined && this.#store.find('events', namespace, same.metadata.name) !== undefined) {
      const repeated: EventObject = { ...same, count: same.count + 1, lastTimestamp: now };
      this.#store.update('events', repeated);
      return;
    }
    const fieldPath = event.container === undefined ? {} : { fieldPath: `spec.containers{${event.container}}` };
    const body = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${randomBytes(8).toString('hex')}`, namespace },
      involvedObject: { kind: 'Pod', namespace, name, uid, apiVersion: 'v1', resourceVersion, ...fieldPath },
      reason: event.reason,
      message: event.message,
      source: { component: event.component },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      type: event.type,
      eventTime: null,
      reportingComponent: event.component,
      reportingInstance: '',
    } satisfies NewObject & Record<string, unknown>;
    this.#store.create('events', body);
  }
}

function isEvent(object: ApiObject): object is EventObject {
  return (
    'count' in object &&
    typeof object.count === 'number' &&
    'lastTimestamp' in object &&
    'message' in object &&
    'reason' in object &&
    'involvedObject' in object
  );
}
