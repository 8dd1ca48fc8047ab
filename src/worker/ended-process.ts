import type { ProcessResultRecord } from '../repository/records.ts';
import type { Process, ProcessPosition, ProcessResult } from '../runtime/process.ts';

/** A process that ended, of which only the stored result is left: its pod is gone, and the output with it. */
export class EndedProcess implements Process {
  readonly id: string;
  readonly #result: ProcessResult;

  constructor(id: string, { exitStatus, signal }: ProcessResultRecord) {
    this.id = id;
    this.#result = signal === undefined ? { exitStatus } : { exitStatus, signal };
  }

  async wait(): Promise<ProcessResult> {
    return this.#result;
  }

  async signal(): Promise<void> {}

  async resize(): Promise<void> {}

  position(): ProcessPosition {
    return { stdoutBytes: 0, stderrBytes: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
