import { posix } from 'node:path';
import type { Readable } from 'node:stream';

import { InvalidSpecError } from '../../errors/caller.ts';
import type { OutputPosition, ProcessIO, ProcessSpec, WindowSize } from '../../runtime/process.ts';
import { checkArguments, checkEnvironment, checkUser } from './container-plan.ts';
import { checkProcessSize, mergeEnvironment } from './exec-limits.ts';

/** A validated process specification, completed with the container's defaults. */
export interface CheckedProcess {
  readonly id: string;
  readonly args: readonly [string, ...string[]];
  readonly env: readonly string[];
  readonly dir: string | undefined;
  readonly user: string | undefined;
  readonly tty: WindowSize | undefined;
}

/** The defaults that processes inherit from their container. */
export interface ProcessDefaults {
  readonly dir: string | undefined;
  readonly user: string | undefined;
  /** `NAME=value` entries. The process's own entries take precedence. */
  readonly env?: readonly string[] | undefined;
}

/** Wide enough that no program wraps a build's output. */
const defaultWindowSize: WindowSize = { columns: 500, rows: 500 };

/**
 * Validates a process specification and completes it with the container's defaults.
 *
 * @throws InvalidSpecError - names the field
 */
export function checkProcess(spec: ProcessSpec, defaults: ProcessDefaults, newId: () => string): CheckedProcess {
  if (spec.path === '') throw new InvalidSpecError('path', 'is empty');
  if (spec.path.includes('\0')) throw new InvalidSpecError('path', 'contains a NUL');
  const args: CheckedProcess['args'] = [spec.path, ...checkArguments('args', spec.args)];
  const env = mergeEnvironment(defaults.env ?? [], checkEnvironment('env', spec.env));
  checkProcessSize(args, env);
  return {
    id: checkProcessId('id', spec.id ?? newId()),
    args,
    env,
    dir: resolveDir(spec.dir, defaults.dir),
    user: checkUser('user', spec.user) ?? defaults.user,
    tty:
      spec.tty === undefined ? undefined : checkWindowSize('tty.windowSize', spec.tty.windowSize ?? defaultWindowSize),
  };
}

/** @throws InvalidSpecError */
export function checkProcessId(field: string, id: string): string {
  if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/.test(id))
    throw new InvalidSpecError(field, `${JSON.stringify(id)} is not 1 to 100 characters of [A-Za-z0-9._-]`);
  return id;
}

/** @throws InvalidSpecError - the number is not a signal's */
export function checkSignalNumber(signal: number): void {
  if (!Number.isInteger(signal) || signal < 1 || signal > 64)
    throw new InvalidSpecError('signal', 'is not a number from 1 to 64');
}

/** @throws InvalidSpecError */
export function checkWindowSize(field: string, size: WindowSize): WindowSize {
  for (const name of ['columns', 'rows'] as const) {
    if (!Number.isInteger(size[name]) || size[name] < 1 || size[name] > 65_535)
      throw new InvalidSpecError(`${field}.${name}`, `${size[name]} is not 1 to 65535`);
  }
  return size;
}

/** @throws InvalidSpecError - output has two receivers */
export function checkOutput({ output, stdout, stderr }: ProcessIO): void {
  if (output !== undefined && (stdout ?? stderr) !== undefined)
    throw new InvalidSpecError('output', 'cannot be combined with stdout or stderr: it receives both');
}

/** @throws InvalidSpecError - the container does not have one of the sidecars */
export function checkSidecarWritables(sidecars: ProcessIO['sidecars'], names: readonly string[]): void {
  for (const name of Object.keys(sidecars ?? {}))
    if (!names.includes(name))
      throw new InvalidSpecError(`sidecars.${name}`, 'the container has no sidecar of this name');
}

/**
 * Checks that a stream provides bytes and still has all of them. A stream that has ended would look
 * like an empty stdin, and one that was read before like a short one. A stream that decodes its
 * bytes replaces those that are not valid text.
 *
 * @param isWhole - whether the stream must still have its first byte. Typed input may start
 *   anywhere
 * @throws InvalidSpecError
 */
export function checkStdin(
  field: string,
  stdin: Readable | undefined,
  { isWhole }: { readonly isWhole: boolean },
): Readable | undefined {
  if (stdin === undefined) return undefined;
  if (stdin.errored instanceof Error) throw new InvalidSpecError(field, 'has failed already', { cause: stdin.errored });
  if (stdin.destroyed || stdin.readableEnded) throw new InvalidSpecError(field, 'has ended or was destroyed already');
  if (isWhole && stdin.readableDidRead) throw new InvalidSpecError(field, 'was read from already');
  if (typeof stdin.readableEncoding === 'string')
    throw new InvalidSpecError(field, `gives text (${stdin.readableEncoding}), not bytes`);
  return stdin;
}

/** @throws InvalidSpecError */
export function checkPosition(field: string, position: OutputPosition): OutputPosition {
  if (typeof position === 'string') {
    if (position !== 'start' && position !== 'now')
      throw new InvalidSpecError(field, `${JSON.stringify(position)} is not "start" or "now"`);
    return position;
  }
  for (const name of ['stdoutBytes', 'stderrBytes'] as const) {
    if (!Number.isSafeInteger(position[name]) || position[name] < 0)
      throw new InvalidSpecError(`${field}.${name}`, `${position[name]} is not an offset`);
  }
  return position;
}

function resolveDir(dir: string | undefined, containerDir: string | undefined): string | undefined {
  if (dir === undefined) return containerDir;
  if (dir === '' || dir.includes('\0')) throw new InvalidSpecError('dir', `${JSON.stringify(dir)} is not a path`);
  if (posix.isAbsolute(dir)) return posix.normalize(dir);
  if (containerDir === undefined)
    throw new InvalidSpecError('dir', `${JSON.stringify(dir)} is relative, and the container has no dir`);
  return posix.join(containerDir, dir);
}
