import { once } from 'node:events';
import { constants, copyFile, rm } from 'node:fs/promises';

import { Command, Option } from 'commander';

import type { EmbeddedCluster, EmbeddedClusterOptions } from '../../../embedded/index.ts';
import { codeOf, messageOf } from '../../error-facts.ts';
import type { CliContext } from '../cli-context.ts';
import { CliError, UsageError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';
import { withLocalErrors } from '../local-errors.ts';
import { print } from '../output.ts';

const help = `
Containers are processes of this machine: the cluster isolates nothing and has no images. Linux only.

Example:
  kubernetes-worker embedded --kubeconfig ./kubeconfig &`;

export function embeddedCommand(context: CliContext): Command {
  return new Command('embedded')
    .description('Run an embedded cluster until an interrupt, and print the path of its kubeconfig.')
    .option('--kubeconfig <file>', 'Write the kubeconfig to this new file as well; it is removed at the end.')
    .option('--directory <folder>', 'Folder of the volumes and logs (default: a temporary one).')
    .option('--namespace <name>', 'Namespace of the kubeconfig (default: default).')
    .addOption(new Option('--isolation <kind>', 'Of containers.').choices(['auto', 'namespaces', 'mapped']))
    .option('--port <number>', 'Port on 127.0.0.1 (default: a free one).', portOf)
    .option('--until-stdin-closes', 'End at the end of stdin, too.')
    .option('--json', 'Print kubeconfig, pid, url and isolation as JSON on one line.')
    .addHelpText('after', help)
    .action((options: EmbeddedOptions) => run(options, context));
}

async function run(
  { kubeconfig, untilStdinCloses, json, ...options }: EmbeddedOptions,
  context: CliContext,
): Promise<void> {
  const ends = endOf(context, untilStdinCloses);
  await using cluster = await start(options);
  await using copied = kubeconfig === undefined ? undefined : await copyOf(cluster.kubeconfigPath, kubeconfig);
  const { url, isolation, kubeconfigPath } = cluster;
  const ready = { kubeconfig: copied?.path ?? kubeconfigPath, pid: process.pid, url, isolation };
  await print(context.stdout, `${json === true ? JSON.stringify(ready) : ready.kubeconfig}\n`);
  await ends;
}

type EmbeddedOptions = Pick<EmbeddedClusterOptions, 'directory' | 'namespace' | 'isolation' | 'port'> & {
  readonly kubeconfig?: string;
  readonly untilStdinCloses?: true;
  readonly json?: true;
};

/** Resolves when the cluster is to end. The interruption is the usual end, and no failure. */
async function endOf({ signal, stdin }: CliContext, watchesStdin = false): Promise<void> {
  const ends: Promise<unknown>[] = [];
  if (!signal.aborted) ends.push(once(signal, 'abort'));
  if (watchesStdin) {
    ends.push(once(stdin, 'end'), once(stdin, 'close'));
    stdin.resume();
  }
  if (!signal.aborted) await Promise.race(ends);
  stdin.destroy();
}

/** Copies the kubeconfig to a new file, and removes the file at the end. */
async function copyOf(source: string, path: string): Promise<AsyncDisposable & { readonly path: string }> {
  await withLocalErrors(() => copyFile(source, path, constants.COPYFILE_EXCL));
  return { path, [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

/**
 * @throws UsageError if an option is invalid: they are those of the command
 * @throws CliError if the port is in use, or if the folder cannot be written
 */
async function start(options: EmbeddedClusterOptions): Promise<EmbeddedCluster> {
  const { EmbeddedCluster } = await import('../../../embedded/index.ts');
  try {
    return await withLocalErrors(() => EmbeddedCluster.start(options));
  } catch (error) {
    const code = codeOf(error instanceof CliError ? error.cause : error);
    if (code === 'KW_ERR_EMBEDDED_INVALID_OPTION') throw new UsageError(messageOf(error));
    if (code === 'EADDRINUSE')
      throw new CliError(`--port: port ${options.port} is in use`, ExitCode.Temporary, { cause: error });
    throw error;
  }
}

function portOf(text: string): number {
  if (!/^[0-9]{1,5}$/.test(text)) throw new UsageError(`--port: ${text} is not a port`);
  return Number(text);
}
