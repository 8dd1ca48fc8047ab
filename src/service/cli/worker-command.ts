import { type Command, Option } from 'commander';

import type { KubernetesWorker, KubernetesWorkerOptions } from '../../index.ts';
import type { ServiceConfig } from '../config/config.ts';
import type { KeyEntry } from '../config/key-entry.ts';
import { configKeys } from '../config/keys.generated.ts';
import type { ConfigSources, LoadedConfig } from '../config/load-config.ts';
import type { CliContext } from './cli-context.ts';
import { CliError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';

/** The keys whose flags the help of each command lists. */
const commonKeys: readonly string[] = ['worker.name', 'worker.namespace', 'worker.kubeconfig', 'database.url'];

const configurationHelp = `
Each key of the configuration is also a flag and a variable: see docs/configuration.md.`;

/** Adds `--config` and a flag for each key of the configuration. The help lists the common ones. */
export function configurable(command: Command): Command {
  command.option('--config <file>', 'The file with the configuration (KW_CONFIG).');
  for (const key of configKeys) command.addOption(optionOf(key));
  return command.addHelpText('after', configurationHelp);
}

function optionOf({ flag, path, env, summary }: KeyEntry): Option {
  const option = new Option(`${flag} <value>`, `${summary.replace(/\.$/, '')} (${env}).`);
  return commonKeys.includes(path) ? option : option.hideHelp();
}

/**
 * Returns the configuration of a command from its flags, the environment and the file.
 *
 * @throws ConfigError if it is invalid
 */
export async function configOf(command: Command, context: CliContext): Promise<LoadedConfig> {
  const { loadConfig } = await import('../config/load-config.ts');
  return await loadConfig(sourcesOf(command, context));
}

/** Returns where the configuration of a command comes from. */
export function sourcesOf(command: Command, { env }: CliContext): ConfigSources {
  const values = command.optsWithGlobals<Readonly<Record<string, string | undefined>>>();
  const flags: Record<string, string> = {};
  for (const key of configKeys) {
    const value = values[optionOf(key).attributeName()];
    if (value !== undefined) flags[key.path] = value;
  }
  return { file: values['config'], env, flags };
}

/** Options of `withWorker`. */
export interface WithWorkerOptions {
  /** Whether to migrate the database first. @defaultValue false */
  readonly migrate?: boolean | undefined;
  /** Whether to register the worker's name if the database does not have it. @defaultValue false */
  readonly register?: boolean | undefined;
}

/**
 * Opens the worker of a command's configuration, without loops of its own, and closes it after `use`.
 *
 * @throws ConfigError if the configuration is invalid
 * @throws CliError if the database lacks a migration, or if the library refuses an option
 * @throws RepositoryUnavailableError if the database does not answer
 * @throws WorkerNotFoundError if the database has no worker of the configured name
 */
export async function withWorker<T>(
  command: Command,
  context: CliContext,
  use: (worker: KubernetesWorker, config: ServiceConfig) => Promise<T>,
  { migrate = false, register = false }: WithWorkerOptions = {},
): Promise<T> {
  const { config } = await configOf(command, context);
  await using worker = await openWorker(config, { migrate, register, signal: context.signal });
  return await use(worker, config);
}

async function openWorker(
  config: ServiceConfig,
  opening: Pick<KubernetesWorkerOptions, 'migrate' | 'register' | 'signal'>,
): Promise<KubernetesWorker> {
  const { workerOptionsOf } = await import('../config/worker-options.ts');
  const { KubernetesWorker } = await import('../../index.ts');
  const options = await workerOptionsOf(config, opening);
  return await withConfiguredOptions(() => KubernetesWorker.open(options));
}

/**
 * Runs a call of the library whose arguments are the configuration.
 *
 * @throws CliError if the library refuses one
 */
export async function withConfiguredOptions<T>(work: () => Promise<T>): Promise<T> {
  const { InvalidSpecError } = await import('../../index.ts');
  try {
    return await work();
  } catch (error) {
    if (error instanceof InvalidSpecError) throw configurationError(error);
    throw error;
  }
}

/** The options of the worker come from the configuration, not from the arguments of the command. */
function configurationError(error: Error & { readonly field: string }): CliError {
  const advice =
    error.field === 'migrate'
      ? 'migrate the database: kubernetes-worker migrate'
      : 'correct the configuration: docs/configuration.md';
  return new CliError(error.message, ExitCode.Configuration, { cause: error, advice });
}
