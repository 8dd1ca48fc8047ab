import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { ApiUnavailableError } from '../../../../src/errors/cluster.ts';
import { ExecConnectionLostError } from '../../../../src/errors/connection.ts';
import { StoreUnavailableError } from '../../../../src/errors/store.ts';
import type { Container } from '../../../../src/runtime/container.ts';
import type { PodWorker } from '../../../../src/worker/pod-worker.ts';
import { MemoryArchiveStore } from '../../../support/stores/memory-archive-store.ts';
import { settle } from '../../../support/virtual-clock.ts';
import { checkArchives } from '../invariants/archives.ts';
import { checkDeletion, checkStart } from '../invariants/pods.ts';
import { checkMoves } from '../invariants/rows.ts';
import { checkContents } from '../invariants/volumes.ts';
import { Ledger } from '../state/ledger.ts';
import { type Call, Gate, type Outcome } from './gate.ts';
import { HostClock } from './host-clock.ts';
import { emptyArchive } from './memory-agents.ts';
import { MemoryConfigMaps } from './memory-config-maps.ts';
import { type MemoryPod, MemoryPods, type MemoryProcess } from './memory-pods.ts';
import { type ModelDatabase, startOfTime } from './model-database.ts';
import type { Platform } from './platform.ts';
import type { ReplicaParts, Setting } from './replica.ts';
import { sha256 } from './sha256.ts';
import { emptySnapshot, type Snapshot } from './snapshot.ts';

export type Outage = 'none' | 'api' | 'database' | 'standby' | 'store';

/** One of the replicas of the worker. A crash replaces its incarnation. */
interface Replica {
  readonly id: string;
  readonly worker: PodWorker;
  readonly drop: () => void;
  readonly clock: HostClock;
  isSuspended: boolean;
  /** The time that has passed while it was suspended, in milliseconds. */
  owedMs: number;
}

/** A property that the system lacks after a step. */
export class Violation extends Error {}

/** The system under test: replicas of one worker over one database and one cluster. */
export class World {
  readonly gate = new Gate();
  readonly pods = new MemoryPods(this.gate);
  readonly configMaps: MemoryConfigMaps;
  readonly store: MemoryArchiveStore;
  readonly setting: Setting;
  readonly platform: Platform;
  readonly ledger = new Ledger();
  readonly trail: string[] = [];
  readonly replicas: Replica[] = [];
  readonly database: ModelDatabase;
  snapshot: Snapshot = emptySnapshot;
  /** The number of calls that were let through. */
  calls = 0;
  outage: Outage = 'none';
  readonly #open = new Map<string, Set<string>>();
  violation: Violation | undefined;
  /** The containers that a host holds, by incarnation and owner. */
  readonly containers = new Map<string, Container>();
  #incarnations = 0;
  #begun = 0;

  private constructor(database: ModelDatabase, setting: Setting, platform: Platform) {
    this.platform = platform;
    this.database = database;
    this.setting = setting;
    this.configMaps = new MemoryConfigMaps(() => database.now);
    this.store = new MemoryArchiveStore({ name: 'store', now: () => new Date(database.now) });
    this.wrote(emptyArchive);
    this.ledger.texts.add(emptyArchive.toString()).add('');
    this.gate.refuses = (call) => this.#refusal(call);
    this.gate.failed = ({ caller, kind }) => {
      if (caller !== undefined && kind !== 'statement') this.ledger.failedTransfers.add(caller);
    };
    this.gate.performed = async (call) => await this.#observe(call);
  }

  static async open(
    database: ModelDatabase,
    setting: Setting,
    { platform, replicas }: { readonly platform: Platform; readonly replicas: number },
  ): Promise<World> {
    await database.reset();
    const world = new World(database, setting, platform);
    for (let index = 0; index < replicas; index += 1) world.replicas.push(await world.#incarnate(index));
    return world;
  }

  /** The number of the current step. */
  get step(): number {
    return this.pods.step;
  }

  /** The calls of hosts that have not settled. */
  get openCalls(): readonly string[] {
    return [...this.#open.values()].flatMap((calls) => [...calls]);
  }

  replica(index: number): Replica {
    const replica = this.replicas[index % this.replicas.length];
    if (replica === undefined) throw new Error('a world has replicas');
    return replica;
  }

  fail(what: string): void {
    this.violation ??= new Violation(what);
  }

  /** Begins a call of a host. Its failure is part of the model. */
  async begin(index: number, name: string, call: (worker: PodWorker, id: string) => Promise<void>): Promise<void> {
    const { id, worker } = this.replica(index);
    const title = `${id}: ${name}`;
    this.trail.push(title);
    const open = this.#open.get(id) ?? new Set();
    this.#open.set(id, open);
    this.#begun += 1;
    const entry = `${title} #${this.#begun}`;
    open.add(entry);
    void call(worker, id)
      .catch((error: unknown) => {
        const isTyped = error instanceof Error && 'code' in error;
        const hasCrashed = !this.replicas.some((replica) => replica.id === id);
        if (!isTyped && !hasCrashed) this.fail(`${title} rejects with ${String(error)}`);
        this.trail.push(`  ${title} rejects: ${String(error).slice(0, 100)}`);
      })
      .finally(() => open.delete(entry));
    await this.#settle();
  }

  /** Lets one call through. Returns `false` if none is ready. */
  async release(pick: number, outcome: Outcome = 'done'): Promise<boolean> {
    this.pods.step += 1;
    const what = await this.gate.release(pick, outcome);
    if (what === undefined) return false;
    this.calls += 1;
    this.trail.push(`  ${what}`);
    await this.#settle();
    return true;
  }

  /** Lets time pass for the database and every host that is not suspended. */
  async pass(ms: number): Promise<void> {
    this.database.advance(ms);
    for (const replica of this.replicas) {
      if (replica.isSuspended) replica.owedMs += ms;
      else await replica.clock.advance(ms);
    }
    if (ms >= 1_000) this.trail.push(`${ms} ms pass`);
    await this.#settle();
  }

  /** Drops a replica between two calls, and starts another incarnation of it. */
  async crash(index: number, lands: (call: number) => boolean): Promise<void> {
    const position = index % this.replicas.length;
    const { id, drop } = this.replica(index);
    this.trail.push(`${id} crashes`);
    this.gate.crash(id, lands);
    drop();
    this.#open.delete(id);
    this.replicas[position] = await this.#incarnate(position);
  }

  suspend(index: number): void {
    const replica = this.replica(index);
    this.trail.push(`${replica.id} is suspended`);
    replica.isSuspended = true;
    this.gate.suspend(replica.id);
  }

  /** Continues a replica. Answers may arrive before its timers. */
  async resume(index: number, answers: number): Promise<void> {
    const replica = this.replica(index);
    if (!replica.isSuspended) return;
    this.trail.push(`${replica.id} continues`);
    replica.isSuspended = false;
    this.gate.resume(replica.id);
    for (let answer = 0; answer < answers; answer += 1) {
      const ready = this.gate.ready.findIndex(({ caller }) => caller === replica.id);
      if (ready >= 0) await this.release(ready);
    }
    const { owedMs } = replica;
    replica.owedMs = 0;
    await replica.clock.advance(owedMs);
    await this.#settle();
  }

  setOutage(outage: Outage): void {
    this.trail.push(`outage: ${outage}`);
    this.outage = outage;
    this.database.state = outage === 'standby' ? 'standby' : 'primary';
  }

  /** Returns an archive that a host or a command writes. */
  async archive(text: string): Promise<Buffer> {
    this.ledger.texts.add(text);
    return this.wrote(await this.platform.archive(text));
  }

  wrote(bytes: Buffer): Buffer {
    this.ledger.written.add(sha256(bytes));
    return bytes;
  }

  /** Reads an archive to its end. It has a text that was written. */
  async read(archive: Readable, from: string): Promise<void> {
    const text = await this.platform.textOf(await buffer(archive));
    if (!this.ledger.texts.has(text)) this.fail(`${from} sends ${JSON.stringify(text)}, which was never written`);
  }

  /** Ends a command, which has written its outputs and its caches. */
  end(pod: MemoryPod, process: MemoryProcess): void {
    if (process.ended) return;
    for (const { handle, container, kind } of this.snapshot.volumes) {
      if (container !== pod.handle || (kind !== 'output' && kind !== 'cache')) continue;
      const text = `${kind} of ${process.id} in ${pod.uid}`;
      this.ledger.texts.add(text);
      pod.volumes.set(handle, this.wrote(Buffer.from(text)));
    }
    process.ended = true;
    process.change.notify();
  }

  async #settle(): Promise<void> {
    await settle();
    if (this.violation !== undefined) throw this.violation;
  }

  async #incarnate(position: number): Promise<Replica> {
    this.#incarnations += 1;
    const id = `r${position}i${this.#incarnations}`;
    const clock = new HostClock(startOfTime);
    const observer: ReplicaParts['observer'] = {
      deleting: (pod, caller) => checkDeletion(this, pod, caller),
      started: (pod, processId) => checkStart(this, pod, processId),
    };
    const { gate, database, pods, configMaps, store, setting } = this;
    return {
      id,
      ...(await this.platform.open({ id, gate, database, pods, configMaps, store, clock, setting, observer })),
      clock,
      isSuspended: false,
      owedMs: 0,
    };
  }

  #refusal({ kind }: Call<unknown>): Error | undefined {
    if (this.outage === 'database' && kind === 'statement') return new Error('connection refused');
    if (this.outage === 'store' && kind === 'store') return new StoreUnavailableError({ store: 'store' }, 'down');
    if (this.outage !== 'api') return undefined;
    if (kind === 'api') return new ApiUnavailableError({ verb: 'get', resource: 'pods', namespace: 'ci' }, 'down', 503);
    return kind === 'agent' ? new ExecConnectionLostError('down', { bytesReceived: 0, bytesSent: 0 }) : undefined;
  }

  async #observe(call: Call<unknown>): Promise<void> {
    if (call.kind === 'statement' && !call.name.includes(' select')) {
      const before = this.snapshot;
      this.snapshot = await this.database.snapshot();
      checkMoves(this, before, call.name.split(' ')[0] ?? '');
    }
    checkContents(this);
    checkArchives(this);
  }
}
