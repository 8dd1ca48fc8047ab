import type { ProcessResultRecord } from '../repository/records.ts';
import type { Process, ProcessPosition, ProcessResult } from '../runtime/process.ts';
import { type MemoryKill, outcomeOf } from './process-outcome.ts';

/** A process that ended, of which only the stored result is left: its pod is gone, and the output with it. */
export class EndedProcess implements Process {
  readonly id: string;
  readonly #result: ProcessResultRecord;
  readonly #memoryKill: MemoryKill;

  constructor(id: string, result: ProcessResultRecord, memoryKill: MemoryKill) {
    this.id = id;
    this.#result = result;
    this.#memoryKill = memoryKill;
  }

  async wait(): Promise<ProcessResult> {
    return outcomeOf(this.#result, this.#memoryKill);
  }

  async signal(): Promise<void> {}

  async resize(): Promise<void> {}

  position(): ProcessPosition {
    return { stdoutBytes: 0, stderrBytes: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
