import { Command } from 'commander';

import type { CliContext } from '../cli-context.ts';
import { configurable, withWorker } from '../worker-command.ts';

const help = `
A place is one of:
  PATH                    a folder, a file, or an archive (.tar, .tar.gz, .tar.zst) of this machine
  -                       stdin or stdout: a tar archive
  HANDLE:PATH             an absolute path in a volume of a container
  volume:HANDLE[:PATH]    a path in a volume

The content of a folder becomes the content of the target, which is a folder. The digest and the size of
the tar archive that was copied are printed to stdout, as both ends have verified them.

Examples:
  kubernetes-worker cp ./source 5b1c…:/work/source
  kubernetes-worker cp 5b1c…:/work/result result.tar.zst
  kubernetes-worker cp 5b1c…:/work/result volume:9b8f…`;

export function cpCommand(context: CliContext): Command {
  const command = new Command('cp')
    .description('Copy between this machine, containers and volumes.')
    .argument('<source>', 'Where to copy from.')
    .argument('<target>', 'Where to copy to.')
    .option('-f, --force', 'Replace what exists at a local target.')
    .option('-q, --quiet', 'Show no progress.')
    .option('--json', 'Print the result as JSON.')
    .addHelpText('after', help);
  return configurable(command).action(async (from: string, to: string, options: CpOptions) => {
    const [{ copy, planCopy }, { withLocalErrors }, { print, printJson }] = await Promise.all([
      import('../copy/copy.ts'),
      import('../local-errors.ts'),
      import('../output.ts'),
    ]);
    const plan = planCopy(from, to);
    const { force = false, quiet: isQuiet = false, json } = options;
    const copied = await withLocalErrors(() =>
      withWorker(command, context, (worker) => copy(worker, plan, { force, isQuiet }, context)),
    );
    // The archive itself has stdout.
    const output = plan.to.kind === 'stdio' ? context.stderr : context.stdout;
    if (json === true) await printJson({ ...context, stdout: output }, copied);
    else await print(output, `sha256:${copied.digest} ${copied.bytes}\n`);
  });
}

interface CpOptions {
  readonly force?: true;
  readonly quiet?: true;
  readonly json?: true;
}
