import type { ProcessResultRecord } from '../repository/records.ts';
import type { OutputPosition, Process, ProcessIO, ProcessPosition, ProcessResult } from '../runtime/process.ts';
import { missingOutput } from './missing-output.ts';
import { type MemoryKill, outcomeOf } from './process-outcome.ts';

/** What is known of a process that ended. */
export interface EndedProcessFacts {
  readonly id: string;
  /** The container's. */
  readonly handle: string;
  readonly result: ProcessResultRecord;
  /** From where its output was wanted, */
  readonly from: OutputPosition;
  /** and by what. */
  readonly io: ProcessIO;
  readonly memoryKill: MemoryKill;
}

/** A process that ended, of which only the stored result is left: its pod is gone, and the output with it. */
export class EndedProcess implements Process {
  readonly id: string;
  readonly #facts: EndedProcessFacts;

  constructor(facts: EndedProcessFacts) {
    this.id = facts.id;
    this.#facts = facts;
  }

  async wait(): Promise<ProcessResult> {
    const { id, handle, result, from, io, memoryKill } = this.#facts;
    const undelivered = missingOutput(result, from, io, { handle, processId: id });
    return { ...outcomeOf(result, memoryKill), ...(undelivered.length === 0 ? {} : { undelivered }) };
  }

  async signal(): Promise<void> {}

  async resize(): Promise<void> {}

  position(): ProcessPosition {
    const { from } = this.#facts;
    return typeof from === 'object' ? from : { stdoutBytes: 0, stderrBytes: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
