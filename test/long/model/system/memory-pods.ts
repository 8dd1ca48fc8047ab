import { ChangeSignal } from '../../../../src/internal/change-signal.ts';
import type { Pod, PodChange } from '../../../../src/kubernetes/cluster.ts';
import { handleOf } from '../../../../src/kubernetes/pod-spec/labels.ts';
import type { Gate } from './gate.ts';

/** A command in a pod. */
export interface MemoryProcess {
  readonly id: string;
  readonly exitStatus: number;
  ended: boolean;
  readonly change: ChangeSignal;
}

/** A pod and what its agent keeps. */
export interface MemoryPod {
  readonly name: string;
  readonly uid: string;
  readonly handle: string;
  /** The number of the step at which it was created. */
  readonly createdAt: number;
  pod: Pod;
  exists: boolean;
  runs: boolean;
  fence: number;
  /** The archive that was committed last, by volume. */
  readonly volumes: Map<string, Buffer>;
  readonly processes: Map<string, MemoryProcess>;
}

/** The pods of the cluster, with a kubelet whose work waits at the gate as well. */
export class MemoryPods {
  readonly #gate: Gate;
  readonly #byName = new Map<string, MemoryPod>();
  /** All pods that ever existed. */
  readonly all: MemoryPod[] = [];
  /** All changes. The index of a change is its resource version. */
  readonly changes: PodChange[] = [];
  readonly changed = new ChangeSignal();
  /** The step at which a caller was last sure that no pod of this name existed. */
  readonly absentAt = new Map<string, number>();
  step = 0;

  constructor(gate: Gate) {
    this.#gate = gate;
  }

  get existing(): readonly MemoryPod[] {
    return [...this.#byName.values()];
  }

  /** Finds a pod, and notes its absence. */
  find(name: string, uid?: string): MemoryPod | undefined {
    const found = this.#byName.get(name);
    if (found !== undefined && (uid === undefined || found.uid === uid)) return found;
    this.absentAt.set(name, this.step);
    return undefined;
  }

  /** Returns `undefined` if the name is taken. */
  create(given: Pod): MemoryPod | undefined {
    const name = given.metadata?.name ?? '';
    if (this.#byName.has(name)) return undefined;
    const uid = `uid-${this.all.length + 1}`;
    const pod = changed(given, { metadata: changed(given.metadata, { uid }), status: { phase: 'Pending' } });
    const made: MemoryPod = {
      name,
      uid,
      handle: handleOf(given.metadata) ?? '',
      createdAt: this.step,
      pod,
      exists: true,
      runs: false,
      fence: 0,
      volumes: new Map(),
      processes: new Map(),
    };
    this.#byName.set(name, made);
    this.all.push(made);
    this.#report('added', made);
    this.#kubelet(`starts ${uid}`, () => this.#start(made));
    return made;
  }

  /** Marks the pod deleted. The kubelet ends it later, or at once without a grace period. */
  delete(pod: MemoryPod, graceSeconds = 10): void {
    if (pod.pod.metadata?.deletionTimestamp !== undefined && graceSeconds > 0) return;
    const deletion = { deletionTimestamp: new Date(0), deletionGracePeriodSeconds: graceSeconds };
    pod.pod = changed(pod.pod, { metadata: changed(pod.pod.metadata, deletion) });
    if (graceSeconds === 0) return this.#remove(pod);
    this.#report('modified', pod);
    this.#kubelet(`ends ${pod.uid}`, () => this.#remove(pod));
  }

  #kubelet(what: string, effect: () => void): void {
    void this.#gate.pass({ caller: undefined, kind: 'event', name: `the kubelet ${what}`, effect });
  }

  #start(pod: MemoryPod): void {
    if (!pod.exists || pod.runs) return;
    pod.runs = true;
    const startedAt = new Date(0);
    const main = {
      name: 'main',
      image: 'i',
      imageID: 'i',
      ready: true,
      restartCount: 0,
      state: { running: { startedAt } },
    };
    const spec = changed(pod.pod.spec, { nodeName: 'node-1' });
    pod.pod = changed(pod.pod, { spec, status: { phase: 'Running', containerStatuses: [main] } });
    this.#report('modified', pod);
  }

  #remove(pod: MemoryPod): void {
    if (!pod.exists) return;
    pod.exists = false;
    pod.runs = false;
    for (const { change } of pod.processes.values()) change.notify();
    this.#byName.delete(pod.name);
    this.#report('deleted', pod);
  }

  #report(type: PodChange['type'], { pod }: MemoryPod): void {
    this.changes.push({ type, pod });
    this.changed.notify();
  }
}

/** Returns a copy, because watchers keep earlier states. */
function changed<T extends object>(original: T | undefined, changes: Partial<T>): T {
  return Object.assign({} as T, original, changes);
}
