import { posix, relative } from 'node:path';

import type { ContainerLimits } from '../../../index.ts';
import { checkEnvironment } from '../attached/attached-options.ts';
import { UsageError } from '../cli-error.ts';
import { cpuMilli, memoryBytes } from './quantities.ts';

/** The arguments of `run` as the user has given them. */
export interface RunArguments {
  readonly image: string;
  readonly command: readonly string[];
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly env: readonly string[];
  readonly dir?: string | undefined;
  readonly user?: string | undefined;
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
}

/** What `run` does. */
export interface RunPlan {
  readonly image: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** The local folders and their paths in the container. */
  readonly inputs: readonly { readonly folder: string; readonly path: string }[];
  /** The folders of the container, which are also the names of the outputs, and where they go. */
  readonly outputs: readonly { readonly name: string; readonly target: string }[];
  readonly dir: string | undefined;
  readonly user: string | undefined;
  readonly limits: ContainerLimits;
}

/** The working directory if a path is relative and the user has given none. */
const defaultDir = '/work';

/** @throws UsageError */
export function planRun({ image, command, env, dir, user, cpu, memory, ...given }: RunArguments): RunPlan {
  const [path = '', ...args] = command;
  const inputs = given.input.map((text) => {
    const at = text.lastIndexOf(':');
    if (at < 1 || at === text.length - 1) throw new UsageError(`--input: ${text} is not FOLDER:PATH`);
    return { folder: text.slice(0, at), path: text.slice(at + 1) };
  });
  const outputs = given.output.map((text) => {
    const at = text.indexOf('=');
    if (at < 1 || at === text.length - 1) throw new UsageError(`--output: ${text} is not NAME=PATH`);
    return { name: text.slice(0, at), target: text.slice(at + 1) };
  });
  const names = outputs.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError(`--output: ${twice} is given twice`);
  checkTargets(outputs.map(({ target }) => target));
  const isRelative = [...inputs.map(({ path: at }) => at), ...names].some((at) => !posix.isAbsolute(at));
  return {
    image,
    path,
    args,
    env: checkEnvironment(env),
    inputs,
    outputs,
    dir: dir ?? (isRelative ? defaultDir : undefined),
    user,
    limits: {
      ...(cpu === undefined ? {} : { cpuMilli: cpuMilli(cpu) }),
      ...(memory === undefined ? {} : { memoryBytes: memoryBytes(memory) }),
    },
  };
}

/** Targets within each other would replace each other. @throws UsageError */
function checkTargets(targets: readonly string[]): void {
  for (const [index, target] of targets.entries())
    for (const other of targets.slice(index + 1)) {
      if (relative(target, other) === '') throw new UsageError(`--output: two outputs have the target ${target}`);
      const within = isWithin(target, other) ? other : isWithin(other, target) ? target : undefined;
      if (within !== undefined)
        throw new UsageError(`--output: ${within} is in ${within === target ? other : target}, another target`);
    }
}

function isWithin(folder: string, path: string): boolean {
  const [first] = relative(folder, path).split('/');
  return first !== '..' && first !== '';
}
