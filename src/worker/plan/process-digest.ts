import { type ProcessFacts, ProcessSpecChangedError } from '../../errors/process.ts';
import type { ProcessSpec } from '../../runtime/process.ts';
import { mergeEnvironment } from './exec-limits.ts';
import { digestOf } from './spec-digest.ts';

/** What else determines the command. */
export interface ProcessSurroundings {
  /** The resolved `ProcessSpec.dir`; `undefined` if the specification has none. */
  readonly dir: string | undefined;
  /** Whether stdin is a stream instead of `/dev/null`. */
  readonly stdin: boolean;
}

/**
 * Returns the SHA-256, in hex, of everything in a specification that determines the command. The
 * part of the container does not count, because all processes of a container share it. The size of
 * a terminal does not count either: it belongs to the host's screen.
 *
 * Absent fields do not count, so that a field which a later version adds leaves the digests of
 * specifications without it as they are. The digests of running commands depend on that.
 */
export function processDigest(
  { path, args, env, user, tty }: ProcessSpec,
  { dir, stdin }: ProcessSurroundings,
): string {
  return digestOf({
    path,
    args,
    env: mergeEnvironment([], env ?? []).toSorted(),
    dir,
    user,
    tty: tty === undefined ? undefined : true,
    stdin: stdin ? true : undefined,
  });
}

/**
 * Compares the digest that a call requests with that of the started process. A digest that is
 * missing matches every other one: the caller does not compare, or a host or an agent of an older
 * version has recorded the process.
 *
 * @throws ProcessSpecChangedError
 */
export function requireSameCommand(
  requested: string | undefined,
  started: string | undefined,
  facts: ProcessFacts,
): void {
  if (requested !== undefined && started !== undefined && requested !== started)
    throw new ProcessSpecChangedError(facts);
}
