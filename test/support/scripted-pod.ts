import { PassThrough } from 'node:stream';

import type { AgentClientOptions } from '../../src/agent-client/agent-client.ts';
import { ConnectionLimits } from '../../src/agent-client/session/connection-limits.ts';
import { ExecConnectionLostError } from '../../src/errors/connection.ts';
import { ChangeSignal } from '../../src/internal/change-signal.ts';
import type { Cluster, Pod } from '../../src/kubernetes/cluster.ts';
import type { AgentPool } from '../../src/pods/agent-pool.ts';
import type { PodLogs } from '../../src/pods/pod-logs.ts';
import { PodSupervisor, type PodSupervisorComponents } from '../../src/pods/pod-supervisor.ts';
import type { ContainerRepository } from '../../src/repository/container-repository.ts';
import type { ContainerRecord, ProcessResultRecord } from '../../src/repository/records.ts';
import type { AbortOptions, Logger } from '../../src/runtime/options.ts';
import type { ProcessIO } from '../../src/runtime/process.ts';
import { PodContainer, type PodContainerComponents } from '../../src/worker/pod-container.ts';
import { type AttachTarget, PodProcess, type PodProcessComponents } from '../../src/worker/process/pod-process.ts';
import type { ScriptedAgent } from './scripted-agent.ts';
import { ScriptedClient } from './scripted-client.ts';
import { silentLogger } from './silent-logger.ts';
import { untraced } from './untraced.ts';
import { settle } from './virtual-clock.ts';

/** The status of a pod's main container. */
export type MainState = 'running' | 'terminated' | 'restarted';

/** The row of the container whose pod is scripted. */
export const containerRecord: ContainerRecord = {
  handle: 'box',
  workerName: 'worker',
  owner: { kind: 'step', key: '1' },
  state: 'created',
  podName: 'pod',
  podUid: 'uid',
  metadata: {},
  settings: {},
  lastHijackAt: undefined,
  createdAt: new Date(0),
};

/** The loss of a connection to the agent. */
export const cut = new ExecConnectionLostError('cut', { bytesReceived: 0, bytesSent: 0 });

const noOutput = { from: 0, first: 0, end: 0 };

/** A pod with a scripted state and agent, and a repository that keeps results. */
export class ScriptedPod {
  readonly setup: ScriptedClient;
  readonly stored = new Map<string, ProcessResultRecord>();
  readonly warnings: string[] = [];
  readonly components: PodProcessComponents;
  /** The host's mask. */
  mask: (text: string) => string | undefined = (text) => text;
  #pod: Pod | undefined = podOf('running');
  #lastSeen: Pod | undefined = this.#pod;
  readonly #change = new ChangeSignal();

  constructor(options: AgentClientOptions = {}, limits: ConnectionLimits = new ConnectionLimits(), protocol = 3) {
    this.setup = new ScriptedClient(options, limits);
    this.setup.onConnect = (agent) => agent.hello({ protocol: [1, protocol] });
    const logger: Logger = { ...silentLogger, warn: (message) => void this.warnings.push(message) };
    const { clock } = this.setup;
    const pods = new PodSupervisor({
      cluster: { namespace: 'ci', getPod: async () => this.#pod, getNode: async () => undefined } as unknown as Cluster,
      watch: {
        observe: (_name: string, observing: AbortOptions) => this.#observe(observing),
        lastSeen: () => this.#lastSeen,
      } as unknown as PodSupervisorComponents['watch'],
      agents: { forget: () => undefined } as unknown as AgentPool,
      delivery: {} as PodSupervisorComponents['delivery'],
      clock,
      logger,
      timeouts: { startMs: 1000, schedulingMs: 1000, imagePullMs: 1000, reconnectMs: 300_000 },
      mask: (text) => this.mask(text),
    });
    const containers = {
      recordProcessResult: async (_handle: string, processId: string, result: ProcessResultRecord) => {
        this.stored.set(processId, result);
      },
      findProcessResult: async (_handle: string, processId: string) => this.stored.get(processId),
    } as unknown as ContainerRepository;
    const agent = () => this.setup.client;
    this.components = {
      containers,
      agent,
      pods,
      logs: {} as PodLogs,
      clock,
      logger,
      hijackGraceMs: 1000,
      outputs: undefined,
      emit: () => undefined,
    };
  }

  /** Sets the state of the pod; `undefined` if it no longer exists. */
  becomes(pod: Pod | undefined): void {
    this.#pod = pod;
    this.#lastSeen = pod ?? this.#lastSeen;
    this.#change.notify();
  }

  target(io: ProcessIO = {}, changes: Partial<AttachTarget> = {}): AttachTarget {
    const where = { handle: 'box', podName: 'pod', workerName: 'worker', processId: 'x' };
    return {
      ...where,
      io,
      from: 'start',
      stdinFrom: 'start',
      hijack: false,
      resultProperties: undefined,
      memoryLimits: new Map(),
      span: untraced.begin('process.run'),
      ...changes,
    };
  }

  /** Returns a process that attaches when it has a place. */
  follow(io: ProcessIO = {}, changes: Partial<AttachTarget> = {}): PodProcess {
    return PodProcess.follow(this.target(io, changes), this.components);
  }

  /** Returns the container of the pod. `components` replaces some of its components. */
  container({
    podIsMissing = false,
    ...components
  }: Partial<Pick<PodContainerComponents, 'containers'>> & { readonly podIsMissing?: boolean } = {}): PodContainer {
    const used = { ...this.components, tracing: untraced, newId: () => 'x', ...components };
    return new PodContainer(
      containerRecord,
      { isLookedUp: false, podIsMissing },
      used as unknown as PodContainerComponents,
    );
  }

  /** Lets the agent accept the attachment that the process has opened. */
  async attached(changes: object = {}): Promise<{ agent: ScriptedAgent; open: Record<string, unknown> }> {
    await settle();
    const agent = this.setup.agents.at(-1);
    if (agent === undefined) throw new Error('no connection was opened');
    while (agent.frames[0]?.type !== 'OPEN') agent.frames.shift();
    const open = await agent.nextJson('OPEN');
    if (open['op'] !== 'attach') throw new Error(`the host opened ${String(open['op'])}, attach was expected`);
    const opened = { stdout: noOutput, stderr: noOutput, stdin: null, ended: false, startedAt: 1000 };
    agent.json('OPENED', { ...opened, ...changes });
    await settle();
    return { agent, open };
  }

  /** Makes every later connection to the agent fail. */
  cutOff(): void {
    this.setup.onConnect = () => Promise.reject(cut);
  }

  /** Closes the connections to the agent. */
  async close(): Promise<void> {
    this.setup.client.close();
    await settle();
  }

  async *#observe({ signal }: AbortOptions): AsyncGenerator<Pod | undefined> {
    const aborted = new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
    for (;;) {
      signal?.throwIfAborted();
      const state = this.#pod;
      yield state;
      while (this.#pod === state && signal?.aborted !== true) await Promise.race([this.#change.wait(), aborted]);
    }
  }
}

/** Returns a pod with this state of its main container, and more metadata and status. */
export function podOf(
  main: MainState,
  { metadata = {}, status = {} }: { readonly metadata?: object; readonly status?: object } = {},
): Pod {
  const terminated = { exitCode: 143, reason: 'Error', finishedAt: new Date(2000), containerID: 'c://1' };
  return {
    metadata: { name: 'pod', namespace: 'ci', uid: 'uid', ...metadata },
    spec: { containers: [], terminationGracePeriodSeconds: 10 },
    status: {
      phase: 'Running',
      containerStatuses: [
        {
          name: 'main',
          image: 'i',
          imageID: 'i',
          ready: main !== 'terminated',
          restartCount: main === 'restarted' ? 1 : 0,
          state: main === 'terminated' ? { terminated } : { running: { startedAt: new Date(500) } },
          lastState: main === 'restarted' ? { terminated } : {},
        },
      ],
      ...status,
    },
  };
}

/** The metadata of a pod that is being deleted. */
export const deleted = { metadata: { deletionTimestamp: new Date(2000), deletionGracePeriodSeconds: 10 } };

/** The status of a pod that is being evicted. */
export const evicted = {
  status: {
    conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: 'disk' }],
  },
};

/** A writable that accepts nothing before `open`. */
export class Gate extends PassThrough {
  readonly #closed = Promise.withResolvers<void>();
  readonly #taken: Buffer[] = [];

  constructor() {
    super({ highWaterMark: 1 });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    void this.#closed.promise.then(() => {
      this.#taken.push(chunk);
      done();
    });
  }

  open(): void {
    this.#closed.resolve();
  }

  get text(): string {
    return Buffer.concat(this.#taken).toString();
  }
}
