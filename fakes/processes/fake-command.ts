import type { ProcessOutcome, ProcessSpec } from '../../src/index.ts';

/**
 * What a faked command receives: its specification and its streams.
 *
 * @public
 */
export interface FakeCommandContext {
  /** The specification that `run` received. */
  readonly spec: ProcessSpec;
  /** The bytes of the host's stdin, to its end. It is empty if `run` received no `stdin`. */
  readonly stdin: AsyncIterable<Uint8Array>;
  /** Prints on stdout. A command never waits for a host: its output is kept. */
  readonly stdout: (output: string | Uint8Array) => void;
  /** Prints on stderr, or on stdout if the process has a terminal. */
  readonly stderr: (output: string | Uint8Array) => void;
}

/**
 * A faked command, for `scriptProcesses`. It is called once per process and resolves with how the
 * command ended. If it rejects, `Process.wait` rejects with the same error.
 *
 * A signal ends the command with `128 + n`, whatever the function does. Signals that do not end a
 * program by default (CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH) have no effect.
 *
 * @public
 */
export type FakeCommand = (context: FakeCommandContext) => Promise<ProcessOutcome>;

/**
 * What a faked command prints.
 *
 * @public
 */
export interface PrintedOutput {
  /** The output on stdout. @defaultValue none */
  readonly stdout?: string | Uint8Array | undefined;
  /** The output on stderr. @defaultValue none */
  readonly stderr?: string | Uint8Array | undefined;
}

/**
 * Returns a command that prints and exits.
 *
 * @param printed - the output, and the exit status, 0 by default
 * @example
 * ```ts
 * import { FakeContainer, prints, scriptProcesses } from 'kubernetes-worker/fakes';
 *
 * const container = new FakeContainer();
 * scriptProcesses(container, prints({ stdout: 'ok\n', stderr: 'a warning\n', exitStatus: 3 }));
 * ```
 * @public
 */
export function prints(printed: PrintedOutput & { readonly exitStatus?: number | undefined } = {}): FakeCommand {
  return async (context) => {
    print(printed, context);
    return { exitStatus: printed.exitStatus ?? 0 };
  };
}

/**
 * Returns a command that prints, and then runs until a signal or a stop ends it.
 *
 * @example
 * ```ts
 * import { FakeContainer, hangs, scriptProcesses } from 'kubernetes-worker/fakes';
 *
 * const container = new FakeContainer();
 * scriptProcesses(container, hangs({ stdout: 'ready\n' }));
 * const task = await container.run({ id: 'task', path: 'sleep' }, {});
 * await task.signal(9);
 * console.log(await task.wait()); // { exitStatus: 137, signal: 9 }
 * ```
 * @public
 */
export function hangs(printed: PrintedOutput = {}): FakeCommand {
  return async (context) => {
    print(printed, context);
    return await new Promise(() => {});
  };
}

/**
 * Returns a command that prints, and whose `Process.wait` then rejects with the error, as when its
 * pod ends.
 *
 * @example
 * ```ts
 * import { PodEvictedError } from 'kubernetes-worker';
 * import { FakeContainer, failsWith, scriptProcesses } from 'kubernetes-worker/fakes';
 *
 * const container = new FakeContainer();
 * scriptProcesses(container, failsWith(new PodEvictedError({ namespace: 'ci', podName: 'task-1' })));
 * ```
 * @public
 */
export function failsWith(error: Error, printed: PrintedOutput = {}): FakeCommand {
  return async (context) => {
    print(printed, context);
    throw error;
  };
}

/**
 * Returns a command that copies its stdin to stdout, and exits with 0 at its end.
 *
 * @example
 * ```ts
 * import { Readable } from 'node:stream';
 * import { echoesStdin, FakeContainer, scriptProcesses } from 'kubernetes-worker/fakes';
 *
 * const container = new FakeContainer();
 * scriptProcesses(container, echoesStdin());
 * await container.run({ path: 'cat' }, { stdin: Readable.from(['{}']), stdout: process.stdout });
 * ```
 * @public
 */
export function echoesStdin(): FakeCommand {
  return async ({ stdin, stdout }) => {
    for await (const bytes of stdin) stdout(bytes);
    return { exitStatus: 0 };
  };
}

function print({ stdout, stderr }: PrintedOutput, context: FakeCommandContext): void {
  if (stdout !== undefined) context.stdout(stdout);
  if (stderr !== undefined) context.stderr(stderr);
}
