import type { ProcessInfo, VolumeInfo, WorkerInfo } from '../../../index.ts';
import type { ListedContainer } from '../container-list.ts';
import type { Snapshot } from './snapshot.ts';

/** How an object of one snapshot differs from the one before. Without one, it is `present`. */
type Change = 'present' | 'added' | 'changed' | 'deleted';

/** An event that follows from two snapshots. Its other fields depend on its kind. */
export interface StateEvent {
  readonly kind:
    | `worker-${'present' | 'changed'}`
    | 'leader-changed'
    | 'reaper-pass'
    | `container-${Change}`
    | `volume-${Change | 'ready' | 'unsaved'}`
    | `process-${ProcessInfo['state']}`;
  /** The handle or the name of the object. */
  readonly subject: string;
  /** The state, for people. */
  readonly text: string;
  /** The fields of the event in JSON. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/**
 * Returns what differs from an earlier snapshot: of the worker, of containers, of processes, of
 * volumes. Without an earlier one, everything is `present`.
 */
export function changesBetween(before: Snapshot | undefined, after: Snapshot): readonly StateEvent[] {
  return [
    ...workerChanges(before?.worker, after.worker),
    ...objectChanges('container', before?.containers, after.containers, containerFacts),
    ...processChanges(before?.containers ?? [], after.containers),
    ...objectChanges('volume', before?.volumes, after.volumes, volumeFacts),
    ...contentChanges(before?.volumes, after.volumes),
  ];
}

function workerChanges(before: WorkerInfo | undefined, worker: WorkerInfo): readonly StateEvent[] {
  const { name: subject, state, leader, reaperPassAt } = worker;
  if (before === undefined)
    return [{ kind: 'worker-present', subject, text: state, facts: { name: subject, state, leader, reaperPassAt } }];
  const events: StateEvent[] = [];
  if (before.state !== state) {
    const facts = { name: subject, state, previousState: before.state };
    events.push({ kind: 'worker-changed', subject, text: `${before.state} -> ${state}`, facts });
  }
  if (before.leader !== leader) {
    const facts = { name: subject, leader, previousLeader: before.leader };
    events.push({ kind: 'leader-changed', subject, text: leader ?? 'none', facts });
  }
  if (reaperPassAt !== undefined && before.reaperPassAt?.getTime() !== reaperPassAt.getTime())
    events.push({
      kind: 'reaper-pass',
      subject,
      text: reaperPassAt.toISOString(),
      facts: { name: subject, reaperPassAt },
    });
  return events;
}

interface StatedObject {
  readonly handle: string;
  readonly state: string;
}

/** Returns the changes in the order of the later list, then the deleted objects. */
function objectChanges<Item extends StatedObject>(
  noun: 'container' | 'volume',
  before: readonly Item[] | undefined,
  after: readonly Item[],
  factsOf: (item: Item) => Readonly<Record<string, unknown>>,
): readonly StateEvent[] {
  const event = (change: Change, item: Item, previousState?: string): StateEvent => ({
    kind: `${noun}-${change}`,
    subject: item.handle,
    text: previousState === undefined ? item.state : `${previousState} -> ${item.state}`,
    facts: { handle: item.handle, state: item.state, previousState, ...factsOf(item) },
  });
  if (before === undefined) return after.map((item) => event('present', item));
  const earlier = byHandle(before);
  const changes = after.flatMap((item): readonly StateEvent[] => {
    const previous = earlier.get(item.handle);
    earlier.delete(item.handle);
    if (previous === undefined) return [event('added', item)];
    return previous.state === item.state ? [] : [event('changed', item, previous.state)];
  });
  return [...changes, ...[...earlier.values()].map((item) => event('deleted', item))];
}

function containerFacts({ owner, podName }: ListedContainer): Readonly<Record<string, unknown>> {
  return { owner, podName };
}

function volumeFacts({ kind, containerHandle, name, store, sizeBytes }: VolumeInfo): Readonly<Record<string, unknown>> {
  return { volumeKind: kind, container: containerHandle, name, store, sizeBytes };
}

/** Processes that are new, or have another state. */
function processChanges(before: readonly ListedContainer[], after: readonly ListedContainer[]): readonly StateEvent[] {
  const earlier = new Set(before.flatMap((container) => processesOf(container).map(({ key }) => key)));
  return after.flatMap((container) =>
    processesOf(container)
      .filter(({ key }) => !earlier.has(key))
      .map(
        ({ process: { id, state, result } }): StateEvent => ({
          kind: `process-${state}`,
          subject: `${container.handle}:${id}`,
          text: result === undefined ? state : `exit status ${result.exitStatus}`,
          facts: { container: container.handle, process: id, exitStatus: result?.exitStatus, signal: result?.signal },
        }),
      ),
  );
}

function processesOf({ handle, processes = [] }: ListedContainer) {
  return processes.map((process) => ({ process, key: `${handle}:${process.id}:${process.state}` }));
}

/** Volumes whose content is complete, or whose output was not saved, since the earlier snapshot. */
function contentChanges(
  before: readonly VolumeInfo[] | undefined,
  after: readonly VolumeInfo[],
): readonly StateEvent[] {
  if (before === undefined) return [];
  const earlier = byHandle(before);
  return after.flatMap((volume): readonly StateEvent[] => {
    const { handle: subject, readyAt, unsavedAt, digest, store } = volume;
    const previous = earlier.get(subject);
    const facts = { handle: subject, digest, ...volumeFacts(volume) };
    return [
      ...(isNew(readyAt, previous?.readyAt) ? [{ kind: 'volume-ready', subject, text: store, facts } as const] : []),
      ...(isNew(unsavedAt, previous?.unsavedAt)
        ? [{ kind: 'volume-unsaved', subject, text: store, facts } as const]
        : []),
    ];
  });
}

function isNew(at: Date | undefined, before: Date | undefined): boolean {
  return at !== undefined && at.getTime() !== before?.getTime();
}

function byHandle<Item extends StatedObject>(items: readonly Item[]): Map<string, Item> {
  return new Map(items.map((item) => [item.handle, item]));
}
