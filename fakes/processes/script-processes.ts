import { randomUUID } from 'node:crypto';

import {
  type AttachOptions,
  type ProcessIO,
  ProcessNotFoundError,
  type ProcessOutcome,
  type ProcessSpec,
  ProcessSpecChangedError,
  type RunOptions,
} from '../../src/index.ts';
import type { FakeContainer } from '../fake-container.ts';
import { FakeProcess } from '../fake-process.ts';
import { UnstubbedCallError } from '../support.ts';
import { CommandRun } from './command-run.ts';
import type { FakeCommand } from './fake-command.ts';
import { isSameCommand } from './same-command.ts';
import { ScriptedAttachment } from './scripted-attachment.ts';

/**
 * Gives a fake container processes that behave like those of a worker, in memory. `commands` is the
 * command of every process, or the commands by process ID; `run` of another ID rejects with an
 * `UnstubbedCallError`.
 *
 * It stubs `run`, `attach`, `listProcesses`, `findProcess`, `signalProcess`, `stopProcess`,
 * `properties` and `setProperty`. A test may replace each of them afterwards. The processes are
 * `FakeProcess` objects, so that a test sees the calls.
 *
 * - An ID starts once. A later `run` and `attach` deliver the output from `AttachOptions.from`. A
 *   `run` of another command rejects, as `RunOptions.onSpecChange` defines.
 * - `wait` settles after the host's writables, or `ProcessIO.output`, have accepted all output. One
 *   that fails is reported in `ProcessResult.undelivered`.
 * - `wait` stops the command when its signal aborts, and leaves it alone when `detachSignal` does.
 * - `signal`, `signalProcess` and `stopProcess` end the command at once: there is no period of grace.
 * - The result is stored with what `resultProperties` returns; an attachment with `observe` stores none.
 *
 * Arguments are not validated, terminals have no size, and sidecars print nothing.
 *
 * @example
 * ```ts
 * import { FakeContainer, FakeWorker, hangs, prints, scriptProcesses } from 'kubernetes-worker/fakes';
 *
 * const fakeWorker = new FakeWorker();
 * const fakeContainer = new FakeContainer({ handle: 'c-1' });
 * fakeWorker.findOrCreateContainer.resolves({ container: fakeContainer, mounts: [], created: true });
 * scriptProcesses(fakeContainer, {
 *   check: prints({ stdout: '[{"ref":"4711"}]' }),
 *   task: hangs({ stdout: 'building\n' }),
 * });
 * ```
 * @public
 */
export function scriptProcesses(
  container: FakeContainer,
  commands: FakeCommand | Readonly<Record<string, FakeCommand>>,
): void {
  const processes = new ScriptedProcesses(container, commands);
  container.run.callsFake((spec, io, options) => processes.run(spec, io, options));
  container.attach.callsFake((id, io, options) => processes.attach(id, io, options));
  container.listProcesses.callsFake(async () => processes.infos());
  container.findProcess.callsFake(async (id) => processes.infos().find((info) => info.id === id));
  container.signalProcess.callsFake(async (id, signal) => processes.get(id).signal(signal));
  container.stopProcess.callsFake((id) => processes.stop(id));
  container.properties.callsFake(async () => Object.fromEntries(processes.properties));
  container.setProperty.callsFake(async (name, value) => {
    processes.properties.set(name, value);
  });
}

/** The processes of one fake container. */
class ScriptedProcesses {
  readonly properties: Map<string, string> = new Map();
  readonly #container: FakeContainer;
  readonly #commands: FakeCommand | Readonly<Record<string, FakeCommand>>;
  readonly #runs = new Map<string, CommandRun>();

  constructor(container: FakeContainer, commands: FakeCommand | Readonly<Record<string, FakeCommand>>) {
    this.#container = container;
    this.#commands = commands;
  }

  /** @throws ProcessNotFoundError */
  get(processId: string): CommandRun {
    const run = this.#runs.get(processId);
    if (run === undefined) throw new ProcessNotFoundError({ handle: this.#container.handle, processId });
    return run;
  }

  infos(): ReturnType<CommandRun['info']>[] {
    return [...this.#runs].map(([id, run]) => run.info(id)).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async run(spec: ProcessSpec, io: ProcessIO, options: RunOptions = {}): Promise<FakeProcess> {
    options.signal?.throwIfAborted();
    const id = spec.id ?? randomUUID();
    const requested = { spec, hasStdin: io.stdin !== undefined };
    const run = this.#runs.get(id);
    if (run !== undefined && options.onSpecChange !== 'keep' && !isSameCommand(run.requested, requested))
      throw new ProcessSpecChangedError({ handle: this.#container.handle, processId: id });
    const startedByCall = run === undefined;
    if (startedByCall) this.#runs.set(id, new CommandRun(this.#command(id), requested));
    return this.#attached({ id, startedByCall }, io, options, 'start');
  }

  async attach(id: string, io: ProcessIO, options: AttachOptions = {}): Promise<FakeProcess> {
    options.signal?.throwIfAborted();
    return this.#attached({ id, startedByCall: false }, io, options, 'here');
  }

  async stop(id: string): Promise<ProcessOutcome> {
    const run = this.get(id);
    run.signal(15);
    const outcome = await run.ended;
    run.store();
    return outcome;
  }

  #command(id: string): FakeCommand {
    if (typeof this.#commands === 'function') return this.#commands;
    const command = Object.hasOwn(this.#commands, id) ? this.#commands[id] : undefined;
    if (command === undefined) throw new UnstubbedCallError('FakeContainer', `run of process ${JSON.stringify(id)}`);
    return command;
  }

  #attached(
    { id, startedByCall }: Pick<FakeProcess, 'id' | 'startedByCall'>,
    io: ProcessIO,
    options: AttachOptions,
    stdinFrom: 'start' | 'here',
  ): FakeProcess {
    const run = this.get(id);
    const store = (properties: Readonly<Record<string, string>>): void => {
      run.store();
      for (const [name, value] of Object.entries(properties)) this.properties.set(name, value);
    };
    const { handle } = this.#container;
    const attachment = new ScriptedAttachment({ handle, processId: id, run, stdinFrom, store }, io, options);
    const process = new FakeProcess({ id, startedByCall });
    process.wait.callsFake((waitOptions) => attachment.wait(waitOptions));
    process.signal.callsFake(async (signal) => run.signal(signal));
    process.position.callsFake(() => attachment.position);
    process[Symbol.asyncDispose].callsFake(() => attachment.detach());
    return process;
  }
}
