import type { AgentClient } from '../agent/agent-client.ts';
import { InvalidSpecError } from '../errors/caller.ts';
import { PodError } from '../errors/pod.ts';
import { ContainerDisappearedError } from '../errors/repository.ts';
import type { PodSupervisor } from '../pods/pod-supervisor.ts';
import type { ContainerRepository } from '../repository/container-repository.ts';
import type { ContainerRecord } from '../repository/records.ts';
import type { Container } from '../runtime/container.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { AttachOptions, Process, ProcessIO, ProcessSpec } from '../runtime/process.ts';
import { EndedProcess } from './ended-process.ts';
import { PodProcess } from './pod-process.ts';
import { checkPosition, checkProcess, checkProcessId, type ProcessDefaults } from './process-spec.ts';
import { type ProcessTarget, startProcess } from './start-process.ts';

/** What a container works with. */
export interface PodContainerComponents {
  readonly containers: ContainerRepository;
  /** The client of the container's agent; a new one where the pool has let go of the last. */
  readonly agent: () => AgentClient;
  readonly pods: PodSupervisor;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const maxPropertyBytes = 1024 * 1024;

/** A container: a pod with our agent in it. */
export class PodContainer implements Container {
  readonly handle: string;
  readonly podName: string;
  readonly #record: ContainerRecord;
  readonly #components: PodContainerComponents;

  constructor(record: ContainerRecord, components: PodContainerComponents) {
    this.handle = record.handle;
    this.podName = record.podName;
    this.#record = record;
    this.#components = components;
  }

  async run(spec: ProcessSpec, io: ProcessIO, options: AttachOptions = {}): Promise<Process> {
    const checked = checkProcess(spec, this.#defaults(), this.#components.newId);
    const from = checkPosition('from', options.from ?? 'start');
    const target = this.#target(checked.id);
    try {
      await startProcess(checked, { ...target, stdin: io.stdin !== undefined }, this.#components, options);
      const attach = { ...target, io, from, stdinFrom: 'start', memoryLimitBytes: this.#memoryLimitBytes() } as const;
      return await PodProcess.attach(attach, this.#components, options);
    } catch (error) {
      return await this.#endedBefore(checked.id, error, options);
    }
  }

  async attach(processId: string, io: ProcessIO, options: AttachOptions = {}): Promise<Process> {
    checkProcessId('processId', processId);
    const from = checkPosition('from', options.from ?? 'start');
    const target = { ...this.#target(processId), io, from, stdinFrom: 'here', memoryLimitBytes: this.#memoryLimitBytes() } as const;
    try {
      return await PodProcess.attach(target, this.#components, options);
    } catch (error) {
      return await this.#endedBefore(processId, error, options);
    }
  }

  async properties(options: AbortOptions = {}): Promise<Readonly<Record<string, string>>> {
    return await this.#components.containers.properties(this.handle, options);
  }

  async setProperty(name: string, value: string, options: AbortOptions = {}): Promise<void> {
    if (name.length < 1 || name.length > 253) throw new InvalidSpecError('name', `has ${name.length} characters, not 1 to 253`);
    if (name.includes('\0') || value.includes('\0')) throw new InvalidSpecError('value', 'contains a NUL');
    if (Buffer.byteLength(value) > maxPropertyBytes) throw new InvalidSpecError('value', `has more than ${maxPropertyBytes} bytes`);
    await this.#components.containers.setProperty(this.handle, name, value, options);
  }

  /** The pod is gone, but the process may have ended before: its stored result is as good as the agent's. */
  async #endedBefore(processId: string, error: unknown, options: AbortOptions): Promise<Process> {
    if (!(error instanceof ContainerDisappearedError || error instanceof PodError)) throw error;
    const result = await this.#components.containers.findProcessResult(this.handle, processId, options);
    if (result === undefined) throw error;
    return new EndedProcess(processId, result);
  }

  #target(processId: string): ProcessTarget {
    return { handle: this.handle, podName: this.podName, workerName: this.#record.workerName, processId };
  }

  #defaults(): ProcessDefaults {
    const { dir, user } = this.#record.settings;
    return { dir: typeof dir === 'string' ? dir : undefined, user: typeof user === 'string' ? user : undefined };
  }

  #memoryLimitBytes(): number | undefined {
    const { memoryBytes } = this.#record.settings;
    return typeof memoryBytes === 'number' ? memoryBytes : undefined;
  }
}
