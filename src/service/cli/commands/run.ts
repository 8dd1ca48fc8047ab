import { Command } from 'commander';

import { repeated } from '../attached/attached-options.ts';
import type { CliContext, SetExitCode } from '../cli-context.ts';
import { configurable, withWorker } from '../worker-command.ts';

const help = `
The exit status is that of the command. The container is deleted at the end, also after Ctrl-C, which stops
the command first. A second Ctrl-C ends at once.

Examples:
  kubernetes-worker run --embedded --input src:/src alpine -- ls /src
  kubernetes-worker run --input .:src --output dist=dist.tar.gz node:24 -- sh -c 'cd src && make DEST=../dist'`;

export function runCommand(context: CliContext, setExitCode: SetExitCode): Command {
  const command = new Command('run')
    .description('Run one command in a new container, and delete the container at the end.')
    .argument('<image>', 'Image of the container.')
    .argument('<command...>', 'The command and its arguments, after --.')
    .option('--input <folder:path>', 'Copy a local folder to a path of the container; may be repeated.', repeated)
    .option(
      '--output <name=path>',
      "Write the content of the container's folder NAME to a local folder or archive; may be repeated.",
      repeated,
    )
    .option('-e, --env <name=value>', 'Environment variable; may be repeated.', repeated)
    .option('-w, --dir <path>', 'Working directory (default: /work if a path is relative, else that of the image).')
    .option('-u, --user <user>', 'User of the command: name or uid, and :group.')
    .option('--cpu <cpus>', 'Limit of CPUs, such as 2 or 500m.')
    .option('--memory <bytes>', 'Limit of memory, such as 512Mi.')
    .option('-i, --stdin', 'Pass stdin to the command.')
    .option('-t, --tty', 'Allocate a terminal.')
    .option('-f, --force', 'Replace what exists where outputs are written.')
    .option('-q, --quiet', 'Show no progress.')
    .option('--embedded', 'Use an embedded cluster, which needs no configuration; it has no images.')
    .addHelpText('after', help);
  return configurable(command).action(async (image: string, argv: readonly string[], options: RunOptions) => {
    const [{ planRun }, { runOnce }, { expectCluster }, { withLocalErrors }] = await Promise.all([
      import('../run/run-plan.ts'),
      import('../run/run-once.ts'),
      import('../run/expect-cluster.ts'),
      import('../local-errors.ts'),
    ]);
    const { input = [], output = [], env = [] } = options;
    const plan = planRun({ ...options, input, output, env, image, command: argv });
    const { stdin = false, tty = false, force = false, quiet: isQuiet = false, embedded } = options;
    const use = async (worker: Parameters<typeof runOnce>[0]): Promise<void> =>
      setExitCode(await runOnce(worker, plan, { stdin, tty, force, isQuiet }, context));
    await withLocalErrors(async () => {
      if (embedded !== true)
        return await withWorker(
          command,
          context,
          async (worker) => {
            await expectCluster(worker, context.signal);
            await use(worker);
          },
          { register: true },
        );
      const { withEmbeddedWorker } = await import('../run/embedded-worker.ts');
      await withEmbeddedWorker(context.signal, use);
    });
  });
}

interface RunOptions {
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly env?: readonly string[];
  readonly dir?: string;
  readonly user?: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly stdin?: true;
  readonly tty?: true;
  readonly force?: true;
  readonly quiet?: true;
  readonly embedded?: true;
}
