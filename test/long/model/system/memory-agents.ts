import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';

import type { AgentClient, AgentDownload } from '../../../../src/agent-client/agent-client.ts';
import type { AttachSpec, StartOutcome, StartSpec } from '../../../../src/agent-client/process/agent-specs.ts';
import type { Attachment } from '../../../../src/agent-client/process/attachment.ts';
import type { TransferResult } from '../../../../src/agent-client/transfer/transfer-progress.ts';
import type { ReceiveSpec, SendSpec } from '../../../../src/agent-client/transfer/transfer-specs.ts';
import { ExecConnectionLostError, ExecHandshakeFailedError } from '../../../../src/errors/connection.ts';
import { OutcomeUnknownError, ProcessNotFoundError } from '../../../../src/errors/process.ts';
import { LeaseLostError } from '../../../../src/errors/repository.ts';
import { DigestMismatchError, OperationLostError } from '../../../../src/errors/transfer.ts';
import { ChangeSignal } from '../../../../src/internal/change-signal.ts';
import type { AgentPool } from '../../../../src/pods/agent-pool.ts';
import type { AbortOptions } from '../../../../src/runtime/options.ts';
import type { StreamSource } from '../../../../src/runtime/volume.ts';
import type { ArchiveFrames, FrameSource } from '../../../../src/stores/frame-store.ts';
import type { Gate } from './gate.ts';
import { attachmentOf } from './memory-attachment.ts';
import { type ArchiveOnItsWay, MemoryFrames, readableOnItsWay, wholeOf } from './memory-frames.ts';
import type { MemoryPod, MemoryPods } from './memory-pods.ts';
import { sha256 } from './sha256.ts';

/** How the model is informed of what agents do. */
export interface AgentObserver {
  started(pod: MemoryPod, processId: string): void;
}

/** Returns a pool of agents' clients for one incarnation of a replica. Each call waits at the gate. */
export function memoryAgents(caller: string, gate: Gate, pods: MemoryPods, observer: AgentObserver): AgentPool {
  const client = (podName: string, handle: string): AgentClient =>
    new MemoryAgent({ caller, gate, pods, observer, podName, handle }) as unknown as AgentClient;
  return { client, forget: () => undefined, close: () => undefined, size: 0 } as unknown as AgentPool;
}

interface MemoryAgentFacts {
  readonly caller: string;
  readonly gate: Gate;
  readonly pods: MemoryPods;
  readonly observer: AgentObserver;
  readonly podName: string;
  readonly handle: string;
}

/** The calls of `AgentClient` that a worker makes, to the agent in a pod of `MemoryPods`. */
class MemoryAgent {
  readonly #facts: MemoryAgentFacts;

  constructor(facts: MemoryAgentFacts) {
    this.#facts = facts;
  }

  async hello(options: AbortOptions = {}): Promise<{ protocol: number }> {
    return await this.#call('hello', () => ({ protocol: 3 }), options);
  }

  async fence(generation: number, options: AbortOptions = {}): Promise<void> {
    const raise = (pod: MemoryPod): void => {
      this.#checkFence(pod, generation);
      pod.fence = generation;
    };
    await this.#call(`fence ${generation}`, raise, options);
  }

  async start({ processId: id, specDigest }: StartSpec, options: AbortOptions = {}): Promise<StartOutcome> {
    const start = (pod: MemoryPod): StartOutcome => {
      if (pod.processes.has(id)) return { started: false, ...(specDigest === undefined ? {} : { specDigest }) };
      this.#facts.observer.started(pod, id);
      pod.processes.set(id, { id, exitStatus: exitStatusOf(pod.uid, id), ended: false, change: new ChangeSignal() });
      return { started: true };
    };
    return await this.#call(`start ${id}`, start, options);
  }

  async attachmentPlace(): Promise<() => void> {
    return () => undefined;
  }

  async attach({ processId: id }: AttachSpec, _sinks: unknown, options: AbortOptions = {}): Promise<Attachment> {
    const open = (pod: MemoryPod): Attachment => {
      const process = pod.processes.get(id);
      if (process === undefined) throw new ProcessNotFoundError({ handle: this.#facts.handle, processId: id });
      const { gate, caller } = this.#facts;
      return attachmentOf(pod, process, { gate, caller });
    };
    return await this.#call(`attach ${id}`, open, options);
  }

  async status(options: AbortOptions = {}): Promise<unknown> {
    const read = ({ processes }: MemoryPod): unknown => ({
      processes: [...processes.values()].map(({ id, ended }) => ({ id, state: ended ? 'ended' : 'running' })),
    });
    return await this.#call('status', read, options);
  }

  async receive(spec: ReceiveSpec, source: StreamSource, options: AbortOptions = {}): Promise<TransferResult> {
    await this.#transfer('receive', (pod) => this.#checkGeneration(pod, spec), options);
    const opened = typeof source === 'function' ? await source() : source;
    return await this.#commit(spec, await buffer(opened as AsyncIterable<Buffer>), options);
  }

  async receiveFrom(
    spec: ReceiveSpec,
    from: { readonly client: AgentClient; readonly spec: SendSpec },
    options: AbortOptions = {},
  ): Promise<TransferResult> {
    return await this.receiveFrames(spec, (opening) => from.client.sendFrames(from.spec, opening), options);
  }

  async receiveFrames(spec: ReceiveSpec, source: FrameSource, options: AbortOptions = {}): Promise<TransferResult> {
    await this.#transfer('receive', (pod) => this.#checkGeneration(pod, spec), options);
    const frames = await source(options);
    const bytes = await wholeOf(frames);
    if (sha256(bytes) !== frames.end?.digest) throw new DigestMismatchError({}, 'of the frames');
    return await this.#commit(spec, bytes, options);
  }

  async send({ volume }: SendSpec, options: AbortOptions = {}): Promise<Pick<AgentDownload, 'kind' | 'readable'>> {
    const archive = await this.#open(volume, options);
    return { kind: 'directory', readable: readableOnItsWay(archive, options) };
  }

  async sendFrames({ volume }: SendSpec, options: AbortOptions = {}): Promise<ArchiveFrames> {
    return new MemoryFrames(await this.#open(volume, options), options);
  }

  async digest({ volume }: SendSpec, options: AbortOptions = {}): Promise<Pick<TransferResult, 'bytes' | 'sha256'>> {
    const bytes = await this.#transfer('digest', (pod) => contentOf(pod, volume), options);
    return { bytes: bytes.length, sha256: sha256(bytes) };
  }

  /** The agent packs the content that the volume has when the operation begins. */
  async #open(volume: string, options: AbortOptions): Promise<ArchiveOnItsWay> {
    const { caller, gate } = this.#facts;
    const open = (pod: MemoryPod): ArchiveOnItsWay => ({ caller, gate, pod, bytes: contentOf(pod, volume) });
    return await this.#transfer('send', open, options);
  }

  /** Commits an archive: the volume has it completely, or is unchanged. */
  async #commit(spec: ReceiveSpec, bytes: Buffer, { signal }: AbortOptions): Promise<TransferResult> {
    const commit = (pod: MemoryPod): TransferResult => {
      this.#checkGeneration(pod, spec);
      pod.volumes.set(spec.volume, bytes);
      return { bytes: bytes.length, sha256: sha256(bytes), entries: 1 };
    };
    const unknown = (): Error => new OutcomeUnknownError(`upload to volume ${spec.volume}`, 'no answer to its end');
    return await this.#call(`commit ${spec.volume}`, commit, { signal, failure: unknown });
  }

  async #transfer<T>(name: string, effect: (pod: MemoryPod) => T, options: AbortOptions): Promise<T> {
    const { handle } = this.#facts;
    const failure = (): Error => new OperationLostError({ handle, path: undefined }, 'no answer');
    return await this.#call(name, effect, { ...options, failure });
  }

  async #call<T>(
    name: string,
    effect: (pod: MemoryPod) => T,
    { signal, failure }: AbortOptions & { readonly failure?: () => Error },
  ): Promise<T> {
    const { gate, caller, podName } = this.#facts;
    const lost = (): Error => new ExecConnectionLostError('reset', { bytesReceived: 0, bytesSent: 0 });
    return await gate.pass({
      caller,
      kind: 'agent',
      name: `${caller} ${name} in ${podName}`,
      effect: () => effect(this.#pod(failure)),
      failure: failure ?? lost,
      signal,
    });
  }

  /** An exec names its pod only. The agent answers while its pod runs. */
  #pod(failure: (() => Error) | undefined): MemoryPod {
    const { pods, podName, handle } = this.#facts;
    const pod = pods.find(podName);
    if (pod?.runs === true && pod.handle === handle) return pod;
    const retryable = pod !== undefined;
    throw failure?.() ?? new ExecHandshakeFailedError('no such container', { status: 404, retryable });
  }

  #checkGeneration(pod: MemoryPod, { generation }: ReceiveSpec): void {
    if (generation !== undefined) this.#checkFence(pod, generation);
  }

  #checkFence(pod: MemoryPod, generation: number): void {
    if (generation < pod.fence) throw new LeaseLostError(this.#facts.handle);
  }
}

/** The archive of a volume that nothing was written to. */
export const emptyArchive: Buffer = Buffer.from('empty');

function contentOf({ volumes }: MemoryPod, volume: string): Buffer {
  return volumes.get(volume) ?? emptyArchive;
}

/** Another run of the same command would have another result. */
function exitStatusOf(podUid: string, processId: string): number {
  return createHash('sha256').update(`${podUid} ${processId}`).digest().readUInt8(0);
}
