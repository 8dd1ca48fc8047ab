import { isDeepStrictEqual } from 'node:util';

import type { ProcessSpec } from '../../src/index.ts';

/** What `run` received. */
export interface RequestedCommand {
  readonly spec: ProcessSpec;
  readonly hasStdin: boolean;
}

/** Whether a worker takes two requests for the same command. */
export function isSameCommand(one: RequestedCommand, other: RequestedCommand): boolean {
  return isDeepStrictEqual(determining(one), determining(other));
}

function determining({ spec, hasStdin }: RequestedCommand): readonly unknown[] {
  const { path, args = [], env = [], dir, user, tty } = spec;
  const variables = Object.fromEntries(env.map((entry) => [entry.slice(0, entry.indexOf('=')), entry]));
  return [path, args, variables, dir, user, tty !== undefined, hasStdin];
}
