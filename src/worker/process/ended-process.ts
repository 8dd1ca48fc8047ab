import type { PodSupervisor } from '../../pods/pod-supervisor.ts';
import type { ProcessResultRecord } from '../../repository/records.ts';
import type { OutputPosition, Process, ProcessIO, ProcessPosition, ProcessResult } from '../../runtime/process.ts';
import { diagnosed } from '../notices/diagnosed.ts';
import { missingOutput } from '../output/missing-output.ts';
import { type MemoryKill, outcomeOf } from './process-outcome.ts';

/** The stored facts about an ended process, and the options of the call that attached to it. */
export interface EndedProcessFacts {
  readonly id: string;
  /** The handle of the container. */
  readonly handle: string;
  readonly result: ProcessResultRecord;
  /** The position from which the caller requested output. */
  readonly from: OutputPosition;
  readonly io: ProcessIO;
  readonly memoryKill: MemoryKill;
  readonly pods: Pick<PodSupervisor, 'diagnose'>;
}

/**
 * An ended process in a pod that no longer exists. Only the stored result remains; the output is
 * lost. `signal` and `resize` do nothing.
 */
export class EndedProcess implements Process {
  readonly id: string;
  readonly startedByCall = false;
  readonly #facts: EndedProcessFacts;
  /** The outcome is read only once, because its diagnostics are written only once. */
  #outcome: Promise<ProcessResult> | undefined;

  constructor(facts: EndedProcessFacts) {
    this.id = facts.id;
    this.#facts = facts;
  }

  async wait(): Promise<ProcessResult> {
    this.#outcome ??= this.#read();
    return await this.#outcome;
  }

  async #read(): Promise<ProcessResult> {
    const { id, handle, result, from, io, memoryKill, pods } = this.#facts;
    const undelivered = missingOutput(result, from, io, { handle, processId: id });
    try {
      return { ...outcomeOf(result, memoryKill), ...(undelivered.length === 0 ? {} : { undelivered }) };
    } catch (error) {
      throw await diagnosed(error, { pods, stderr: io.stderr });
    }
  }

  async signal(): Promise<void> {}

  async resize(): Promise<void> {}

  position(): ProcessPosition {
    const { from } = this.#facts;
    return typeof from === 'object' ? from : { stdoutBytes: 0, stderrBytes: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
