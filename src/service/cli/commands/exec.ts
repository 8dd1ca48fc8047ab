import { Command } from 'commander';

import { checkEnvironment, repeated } from '../attached/attached-options.ts';
import type { CliContext, SetExitCode } from '../cli-context.ts';
import { configurable, withWorker } from '../worker-command.ts';

const help = `
The exit status is that of the command. Ctrl-C goes to a command that has a terminal, and stops any other.

Examples:
  kubernetes-worker exec 5b1c… -- sh
  echo 'print(1)' | kubernetes-worker exec 5b1c… -- python3 -`;

export function execCommand(context: CliContext, setExitCode: SetExitCode): Command {
  const command = new Command('exec')
    .description('Run a command in a container. Interactive if stdin and stdout are a terminal.')
    .argument('<handle>', 'Handle of the container.')
    .argument('<command...>', 'The command and its arguments, after --.')
    .option('-i, --stdin', 'Pass stdin to the command (the default).')
    .option('--no-stdin', 'Pass nothing to the command.')
    .option('-t, --tty', 'Allocate a terminal (the default if stdin and stdout are a terminal).')
    .option('--no-tty', 'Allocate no terminal.')
    .option('-u, --user <user>', 'User of the command: name or uid, and :group.')
    .option('-w, --dir <path>', 'Working directory.')
    .option('-e, --env <name=value>', 'Environment variable; may be repeated.', repeated)
    .addHelpText('after', help);
  return configurable(command).action(async (handle: string, argv: readonly string[], options: ExecOptions) => {
    const [{ runAttached }, { findContainer }] = await Promise.all([
      import('../attached/run-attached.ts'),
      import('../find-container.ts'),
    ]);
    const [path = '', ...args] = argv;
    const {
      stdin = true,
      user,
      dir,
      tty = stdin && context.stdin.isTTY === true && context.stdout.isTTY === true,
    } = options;
    const env = checkEnvironment(options.env ?? []);
    await withWorker(command, context, async (worker) => {
      const container = await findContainer(worker, handle, context.signal);
      const spec = { path, args, env, user, dir, hijack: true };
      const { exitStatus } = await runAttached(container, spec, { stdin, tty }, context);
      setExitCode(exitStatus);
    });
  });
}

interface ExecOptions {
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly user?: string;
  readonly dir?: string;
  readonly env?: readonly string[];
}
