import type { AgentClient } from '../../agent-client/agent-client.ts';
import type { AgentProcessResult } from '../../agent-client/process/process-result.ts';
import { PodError } from '../../errors/pod.ts';
import { ContainerDisappearedError } from '../../errors/repository.ts';
import type { EmitEvent } from '../../events/emit-event.ts';
import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { ContainerQueries } from '../../repository/container-queries.ts';
import type { ContainerRepository } from '../../repository/container-repository.ts';
import type { ProcessResultRecord } from '../../repository/records.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import type { ProcessInfo, ProcessOutcome } from '../../runtime/process-info.ts';
import { type ResultComponents, recordResult, requireOwnResult } from './agent-result.ts';
import { endedInfo, knownProcesses, processesOfAgent } from './known-processes.ts';
import { stopGraceMs } from './process-attachments.ts';
import { type MemoryKill, outcomeOf } from './process-outcome.ts';
import { mapDeletedPod } from './start-process.ts';

/** The container whose processes are read and stopped. */
export interface ProcessesTarget {
  readonly handle: string;
  readonly podName: string;
  readonly workerName: string;
  /** Whether its pod no longer exists. Then only stored results remain. */
  readonly podIsMissing: boolean;
  readonly memoryKill: MemoryKill;
}

export interface ProcessesComponents {
  readonly containers: ContainerRepository;
  readonly queries: ContainerQueries;
  readonly agent: () => AgentClient;
  readonly pods: PodSupervisor;
  readonly outputs: ResultComponents['outputs'];
  readonly emit: EmitEvent;
}

/** The processes of a container by their IDs, without attachments. A stored result is final. */
export class ContainerProcesses {
  readonly #target: ProcessesTarget;
  readonly #components: ProcessesComponents;

  constructor(target: ProcessesTarget, components: ProcessesComponents) {
    this.#target = target;
    this.#components = components;
  }

  /** Returns every process that the agent or the database has, in the order of their ids. */
  async list(options: AbortOptions): Promise<readonly ProcessInfo[]> {
    // The agent is read first: a process that ends in between is then read with its stored result.
    const statuses = await processesOfAgent(this.#target, this.#components, options);
    const results = await this.#components.queries.processResults(this.#target.handle, options);
    return knownProcesses(statuses, results);
  }

  /** Returns `undefined` if neither the agent nor the database has the process. */
  async find(id: string, options: AbortOptions): Promise<ProcessInfo | undefined> {
    const stored = await this.#findStored(id, options);
    if (stored !== undefined) return endedInfo(id, stored);
    const status = (await processesOfAgent(this.#target, this.#components, options)).find((each) => each.id === id);
    if (status !== undefined && status.state !== 'ended') return { id, state: status.state };
    const storedSince = await this.#findStored(id, options);
    if (storedSince !== undefined) return endedInfo(id, storedSince);
    return status === undefined ? undefined : { id, state: 'ended' };
  }

  /** Sends a signal to the process's group. Does nothing if the process has ended. */
  async signal(id: string, signal: number, options: AbortOptions): Promise<void> {
    await this.#orStored(id, () => this.#call((agent) => agent.signal(id, signal, options), options), options);
  }

  /** Stops the process, and stores its result unless one is stored. */
  async stop(id: string, options: AbortOptions): Promise<ProcessOutcome> {
    const stored = await this.#findStored(id, options);
    const result = stored ?? (await this.#orStored(id, () => this.#stop(id, options), options));
    return outcomeOf(result, this.#target.memoryKill);
  }

  async #stop(id: string, { signal }: AbortOptions): Promise<ProcessResultRecord> {
    const { pods } = this.#components;
    const source = { ...this.#target, processId: id };
    using guard = pods.guard(source.podName, { signal });
    const within = { signal: guard.signal };
    const { result, protocol } = await this.#call((agent) => stopAndGet(agent, id, within), within);
    await requireOwnResult(result, { ...source, protocol }, pods, { signal });
    await recordResult(result, source, this.#components, { signal });
    return result;
  }

  /** Runs the work. Returns the stored result instead if the pod has ended and there is one. */
  async #orStored<T>(id: string, work: () => Promise<T>, options: AbortOptions): Promise<T | ProcessResultRecord> {
    return await mapDeletedPod({ ...this.#target, processId: id }, async () => {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof PodError || error instanceof ContainerDisappearedError)) throw error;
        const settled = error instanceof PodError ? await this.#components.pods.settled(error, options) : error;
        const stored = await this.#findStored(id, options);
        if (stored === undefined) throw settled;
        return stored;
      }
    });
  }

  /** Calls the agent until it responds, or until the pod has ended. */
  async #call<T>(work: (agent: AgentClient) => Promise<T>, options: AbortOptions): Promise<T> {
    const { handle, workerName, podName, podIsMissing } = this.#target;
    if (podIsMissing) throw new ContainerDisappearedError(handle, workerName);
    const { agent, pods } = this.#components;
    return await pods.persist(podName, () => work(agent()), options);
  }

  async #findStored(id: string, options: AbortOptions): Promise<ProcessResultRecord | undefined> {
    return await this.#components.containers.findProcessResult(this.#target.handle, id, options);
  }
}

interface StoppedProcess {
  readonly result: AgentProcessResult;
  readonly protocol: number;
}

async function stopAndGet(agent: AgentClient, id: string, options: AbortOptions): Promise<StoppedProcess> {
  const { protocol } = await agent.hello(options);
  return { result: await agent.stop(id, stopGraceMs, options), protocol };
}
