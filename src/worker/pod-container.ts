import type { EventEmitter } from 'node:events';

import type { AgentClient } from '../agent-client/agent-client.ts';
import type { StartOutcome } from '../agent-client/process/agent-specs.ts';
import { InvalidSpecError } from '../errors/caller.ts';
import { PodError } from '../errors/pod.ts';
import { ProcessSpecChangedError } from '../errors/process.ts';
import { ContainerDisappearedError } from '../errors/repository.ts';
import type { EmitEvent } from '../events/emit-event.ts';
import { ignoreErrors } from '../internal/ignored-errors.ts';
import type { Cluster } from '../kubernetes/cluster.ts';
import { mainContainerName } from '../kubernetes/pod-spec/pod-spec.ts';
import { describePod } from '../kubernetes/pod-state/pod-description.ts';
import type { PodLogs } from '../pods/pod-logs.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { ContainerQueries } from '../repository/container-queries.ts';
import type { ContainerRepository } from '../repository/container-repository.ts';
import { checkProperty } from '../repository/field-checks.ts';
import type { ContainerRecord } from '../repository/records.ts';
import type { Container } from '../runtime/container.ts';
import type { ContainerDescription } from '../runtime/container-description.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { AttachOptions, Process, ProcessIO, ProcessSpec, Properties, RunOptions } from '../runtime/process.ts';
import type { ProcessInfo, ProcessOutcome } from '../runtime/process-info.ts';
import type { VolumeMount } from '../runtime/volume.ts';
import type { Operation } from '../telemetry/semconv.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { abortOptions, text } from '../validation/common-shapes.ts';
import { attachOptions, processIO, processSpec, runOptions } from '../validation/process-shapes.ts';
import { checkShape } from '../validation/shape.ts';
import { diagnosed, withDiagnostics } from './notices/diagnosed.ts';
import { maskedDescription } from './notices/masked-texts.ts';
import { type ContainerSettings, containerSettings } from './plan/container-settings.ts';
import { mergeEnvironment } from './plan/exec-limits.ts';
import { processDigest, requireSameCommand } from './plan/process-digest.ts';
import {
  type CheckedProcess,
  checkOutput,
  checkPosition,
  checkProcess,
  checkProcessId,
  checkSidecarWritables,
  checkSignalNumber,
  checkStdin,
} from './plan/process-spec.ts';
import type { ResultComponents } from './process/agent-result.ts';
import { ContainerProcesses } from './process/container-processes.ts';
import { EndedProcess } from './process/ended-process.ts';
import { type AttachTarget, PodProcess } from './process/pod-process.ts';
import { type ProcessTarget, startProcess } from './process/start-process.ts';

export interface PodContainerComponents {
  readonly containers: ContainerRepository;
  readonly queries: ContainerQueries;
  /**
   * Returns the client of the container's agent: a new client if the pool has evicted the last one.
   */
  readonly agent: () => AgentClient;
  readonly cluster: Cluster;
  readonly pods: PodSupervisor;
  readonly logs: PodLogs;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long the mark of a hijack protects the container from the reaper, in milliseconds. */
  readonly hijackGraceMs: number;
  readonly outputs: ResultComponents['outputs'];
  /** Returns the volumes of the container. Empty if its row no longer exists. */
  readonly mounts: (handle: string, options: AbortOptions) => Promise<readonly VolumeMount[]>;
  readonly emit: EmitEvent;
  readonly tracing: Tracing;
  /** Whether commands receive the trace context of their span in their environment. */
  readonly traceEnvironment: boolean;
}

/** How a container was found. */
export interface ContainerFinding {
  /** Whether it was looked up, as hosts do for users who inspect a container. */
  readonly isLookedUp: boolean;
  /** Whether its pod no longer exists. Then only the data in the database remains. */
  readonly podIsMissing: boolean;
}

/** A container: a pod in which the agent runs. */
export class PodContainer implements Container {
  readonly handle: string;
  readonly podName: string;
  readonly #record: ContainerRecord;
  readonly #settings: ContainerSettings;
  readonly #processes: ContainerProcesses;
  readonly #components: PodContainerComponents;
  readonly #isLookedUp: boolean;
  readonly #podIsMissing: boolean;

  constructor(
    record: ContainerRecord,
    { isLookedUp, podIsMissing }: ContainerFinding,
    components: PodContainerComponents,
  ) {
    this.handle = record.handle;
    this.podName = record.podName;
    this.#record = record;
    this.#settings = containerSettings(record);
    this.#components = components;
    this.#isLookedUp = isLookedUp;
    this.#podIsMissing = podIsMissing;
    const { handle, podName, workerName } = record;
    const memoryKill = (): PodError => this.#outOfMemory();
    this.#processes = new ContainerProcesses({ handle, podName, workerName, podIsMissing, memoryKill }, components);
  }

  async run(spec: ProcessSpec, io: ProcessIO, options: RunOptions = {}): Promise<Process> {
    checkShape('spec', processSpec, spec);
    checkCall(io, options, runOptions);
    const checked = checkProcess(spec, this.#settings, this.#components.newId);
    checkStdin('stdin', io.stdin, { isWhole: spec.tty === undefined });
    using _ignored = ignoreErrors(streamsOf(io));
    const hijack = spec.hijack ?? (this.#isLookedUp && spec.tty !== undefined && io.stdin !== undefined);
    const stdin = io.stdin !== undefined;
    const specDigest = processDigest(spec, { dir: spec.dir === undefined ? undefined : checked.dir, stdin });
    const expected = options.onSpecChange === 'keep' ? undefined : specDigest;
    const where = this.#target(checked.id, io, options);
    return await this.#traced('process.run', { ...where, stdinFrom: 'start', hijack }, options, async (target) => {
      try {
        if (this.#podIsMissing) throw this.#disappeared();
        return await this.#marked(target, options, () =>
          this.#start(this.#inTrace(checked, target), { ...target, stdin, specDigest }, expected, options),
        );
      } catch (error) {
        return await this.#endedBefore({ ...target, specDigest: expected }, error, options);
      }
    });
  }

  /** Starts the command. Resolves with its process, which is followed to its end. */
  async #start(
    checked: CheckedProcess,
    target: AttachTarget & { readonly stdin: boolean; readonly specDigest: string },
    expected: string | undefined,
    options: RunOptions,
  ): Promise<Process> {
    const start = (): Promise<StartOutcome> => startProcess(checked, target, this.#components, options);
    const started = await target.span.span('process.exec', {}, start, options);
    requireSameCommand(expected, started.specDigest, target);
    if (started.started) this.#components.emit({ kind: 'process-started', handle: this.handle, processId: checked.id });
    // The command runs: the host receives the process before it is attached to, so that it can
    // stop the command even if attaching takes long.
    return PodProcess.follow({ ...target, startedByCall: started.started }, this.#components);
  }

  /** Adds the trace context. Entries of the specification take precedence. */
  #inTrace(checked: CheckedProcess, { span }: AttachTarget): CheckedProcess {
    if (!this.#components.traceEnvironment) return checked;
    return { ...checked, env: mergeEnvironment(span.environment(), checked.env) };
  }

  /** Runs a call in a span, which ends with the process that the call returns, or with its failure. */
  async #traced(
    operation: Operation,
    where: Omit<AttachTarget, 'span'>,
    options: AbortOptions,
    call: (target: AttachTarget) => Promise<Process>,
  ): Promise<Process> {
    const { handle: containerHandle, podName, processId } = where;
    const span = this.#components.tracing.begin(operation, { containerHandle, podName, processId });
    try {
      return await span.within(() => call({ ...where, span }));
    } catch (error) {
      span.fail(error, options);
      throw error;
    }
  }

  async attach(processId: string, io: ProcessIO, options: AttachOptions = {}): Promise<Process> {
    checkShape('processId', text, processId);
    checkCall(io, options, attachOptions);
    checkProcessId('processId', processId);
    checkStdin('stdin', io.stdin, { isWhole: false });
    checkObserver(io, options);
    using _ignored = ignoreErrors(streamsOf(io));
    const { observe } = options;
    const where = { ...this.#target(processId, io, options), stdinFrom: 'here', observe, hijack: false } as const;
    return await this.#traced('process.attach', where, options, async (target) => {
      try {
        if (this.#podIsMissing) throw this.#disappeared();
        return await PodProcess.attach(target, this.#components, options);
      } catch (error) {
        return await this.#endedBefore(target, error, options);
      }
    });
  }

  async listProcesses(options: AbortOptions = {}): Promise<readonly ProcessInfo[]> {
    checkShape('options', abortOptions, options);
    return await this.#diagnosed(() => this.#processes.list(options), options);
  }

  async findProcess(processId: string, options: AbortOptions = {}): Promise<ProcessInfo | undefined> {
    checkProcessCall(processId, options);
    return await this.#diagnosed(() => this.#processes.find(processId, options), options);
  }

  async signalProcess(processId: string, signal: number, options: AbortOptions = {}): Promise<void> {
    checkProcessCall(processId, options);
    checkSignalNumber(signal);
    await this.#diagnosed(() => this.#processes.signal(processId, signal, options), options);
  }

  async stopProcess(processId: string, options: AbortOptions = {}): Promise<ProcessOutcome> {
    checkProcessCall(processId, options);
    return await this.#diagnosed(() => this.#processes.stop(processId, options), options);
  }

  async describe(options: AbortOptions = {}): Promise<ContainerDescription> {
    checkShape('options', abortOptions, options);
    const { cluster, pods } = this.#components;
    const pod = this.#podIsMissing ? undefined : await cluster.getPod(this.podName, options);
    const uid = pod?.metadata?.uid;
    if (pod === undefined || uid === undefined || uid !== (this.#record.podUid ?? uid)) throw this.#disappeared();
    const [events, metrics] = await Promise.all([
      cluster.podEvents(this.podName, uid, options),
      cluster.podMetrics(this.podName, options),
    ]);
    return maskedDescription(describePod(pod, { events, metrics }), pods.mask);
  }

  async mounts(options: AbortOptions = {}): Promise<readonly VolumeMount[]> {
    checkShape('options', abortOptions, options);
    const { mounts, containers } = this.#components;
    const found = await mounts(this.handle, options);
    if (found.length > 0) return found;
    const record = await containers.lookup(this.#record.workerName, this.handle, options);
    if (record === undefined) throw this.#disappeared();
    return found;
  }

  async properties(options: AbortOptions = {}): Promise<Properties> {
    checkShape('options', abortOptions, options);
    return await this.#components.containers.properties(this.handle, options);
  }

  async setProperty(name: string, value: string, options: AbortOptions = {}): Promise<void> {
    checkShape('name', text, name);
    checkShape('value', text, value);
    checkShape('options', abortOptions, options);
    checkProperty('name', name, 'value', value);
    if (this.#podIsMissing) throw this.#disappeared();
    await this.#components.containers.setProperty(this.handle, name, value, options);
  }

  /**
   * Marks a hijack before it begins, so that the reaper does not delete the container in between.
   */
  async #marked(
    { hijack, processId }: AttachTarget,
    { signal }: AbortOptions,
    begin: () => Promise<Process>,
  ): Promise<Process> {
    if (!hijack) return await begin();
    const { containers, pods, logger } = this.#components;
    await pods.retry(() => containers.recordHijack(this.handle, processId, { signal }), { signal });
    try {
      return await begin();
    } catch (error) {
      // The mark may be that of the process of this ID. It expires otherwise.
      if (error instanceof ProcessSpecChangedError) throw error;
      await containers
        .endHijack(this.handle, processId)
        .catch((cause: unknown) => logger.debug('hijack mark not ended', { handle: this.handle, processId, cause }));
      throw error;
    }
  }

  /**
   * Returns the ended process if its result was stored before the pod ended. Rejects otherwise with
   * the error, whose diagnostics follow on stderr, and if the process was started with another
   * command.
   */
  async #endedBefore(
    { processId, from, io, span, specDigest }: AttachTarget & { readonly specDigest?: string | undefined },
    error: unknown,
    { signal }: AttachOptions,
  ): Promise<Process> {
    if (!(error instanceof ContainerDisappearedError || error instanceof PodError)) throw error;
    const { containers, pods } = this.#components;
    const result = await containers.findProcessResult(this.handle, processId, { signal });
    if (result === undefined) throw await diagnosed(error, { pods, stderr: io.stderr, signal });
    requireSameCommand(specDigest, result.specDigest, { handle: this.handle, processId });
    const memoryKill = (): PodError => this.#outOfMemory();
    span.set({ exitCode: result.exitStatus });
    span.end();
    return new EndedProcess({ id: processId, handle: this.handle, result, from, io, memoryKill, pods });
  }

  async #diagnosed<T>(work: () => Promise<T>, { signal }: AbortOptions): Promise<T> {
    return await withDiagnostics(work, { pods: this.#components.pods, signal });
  }

  #outOfMemory(): PodError {
    const limitBytes = this.#settings.memoryLimits.get(mainContainerName);
    return this.#components.pods.outOfMemory(this.podName, { containerName: mainContainerName, limitBytes });
  }

  #disappeared(): ContainerDisappearedError {
    return new ContainerDisappearedError(this.handle, this.#record.workerName);
  }

  /** @throws InvalidSpecError */
  #target(
    processId: string,
    io: ProcessIO,
    options: AttachOptions,
  ): Omit<AttachTarget, 'stdinFrom' | 'hijack' | 'span'> {
    const { memoryLimits, sidecarNames } = this.#settings;
    checkSidecarWritables(io.sidecars, sidecarNames);
    const where: ProcessTarget = {
      handle: this.handle,
      podName: this.podName,
      workerName: this.#record.workerName,
      processId,
    };
    return {
      ...where,
      io,
      from: checkPosition('from', options.from ?? 'start'),
      resultProperties: options.resultProperties,
      memoryLimits,
    };
  }
}

/** The streams of the host. The process listens to them once the command has started. */
function streamsOf({ stdin, stdout, stderr, sidecars }: ProcessIO): readonly (EventEmitter | undefined)[] {
  return [stdin, stdout, stderr, ...Object.values(sidecars ?? {})];
}

function checkCall(io: ProcessIO, options: AttachOptions, shape: typeof attachOptions): void {
  checkShape('io', processIO, io);
  checkShape('options', shape, options);
  checkOutput(io);
}

/** @throws InvalidSpecError */
function checkObserver({ stdin }: ProcessIO, { observe = false, resultProperties }: AttachOptions): void {
  if (!observe) return;
  if (stdin !== undefined) throw new InvalidSpecError('observe', 'cannot be combined with io.stdin');
  if (resultProperties !== undefined) throw new InvalidSpecError('observe', 'cannot be combined with resultProperties');
}

function checkProcessCall(processId: string, options: AbortOptions): void {
  checkShape('processId', text, processId);
  checkShape('options', abortOptions, options);
  checkProcessId('processId', processId);
}
