import type { ProcessResultRecord } from '../repository/records.ts';
import type { OutputPosition, Process, ProcessIO, ProcessPosition, ProcessResult } from '../runtime/process.ts';
import { missingOutput } from './missing-output.ts';
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
}

/**
 * An ended process in a pod that no longer exists. Only the stored result remains; the output is
 * lost.
 */
export class EndedProcess implements Process {
  readonly id: string;
  readonly startedByCall = false;
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
