import { type Command, Option } from 'commander';

import type { KubernetesWorker } from '../../index.ts';
import type { CliContext } from './cli-context.ts';
import { CliError } from './cli-error.ts';
import { ExitCode } from './exit-code.ts';
import { type ConfigKey, configKeys, type LoadedConfig, type ServiceConfig } from './local-config.ts';

/** The keys whose flags the help of each command lists. */
const commonKeys: readonly string[] = ['worker.name', 'worker.namespace', 'worker.kubeconfig', 'database.url'];

const configurationHelp = `
Each key of the configuration is a flag, too: docs/configuration.md lists them.`;

/** Adds `--config` and a flag for each key of the configuration. The help lists the common ones. */
export function configurable(command: Command): Command {
  command.option('--config <file>', 'file with the configuration (KW_CONFIG)');
  for (const key of configKeys) command.addOption(optionOf(key));
  return command.addHelpText('after', configurationHelp);
}

function optionOf({ flag, path, env, summary }: ConfigKey): Option {
  const option = new Option(`${flag} <value>`, `${summary} (${env})`);
  return commonKeys.includes(path) ? option : option.hideHelp();
}

/** Returns the configuration of a command from its flags, the environment and the file. */
export async function configOf(command: Command, { env }: CliContext): Promise<LoadedConfig> {
  const values = command.optsWithGlobals<Readonly<Record<string, string | undefined>>>();
  const flags: Record<string, string> = {};
  for (const key of configKeys) {
    const value = values[optionOf(key).attributeName()];
    if (value !== undefined) flags[key.path] = value;
  }
  const { loadConfig } = await import('./local-config.ts');
  return await loadConfig({ file: values['config'], env, flags });
}

/** Options of `withWorker`. */
export interface WithWorkerOptions {
  /** Whether to migrate the database first. @defaultValue false */
  readonly migrate?: boolean | undefined;
}

/**
 * Opens the worker of a command's configuration, without loops of its own, and closes it after `use`.
 *
 * @throws ConfigError if the configuration is invalid
 * @throws CliError if the library refuses an option
 * @throws RepositoryUnavailableError if the database does not answer
 */
export async function withWorker<T>(
  command: Command,
  context: CliContext,
  use: (worker: KubernetesWorker, config: ServiceConfig) => Promise<T>,
  options: WithWorkerOptions = {},
): Promise<T> {
  const { config } = await configOf(command, context);
  await using worker = await openWorker(config, context, options);
  return await use(worker, config);
}

async function openWorker(
  config: ServiceConfig,
  { signal }: CliContext,
  { migrate = false }: WithWorkerOptions,
): Promise<KubernetesWorker> {
  const { workerOptionsOf } = await import('./local-config.ts');
  const { InvalidSpecError, KubernetesWorker } = await import('../../index.ts');
  const options = await workerOptionsOf(config);
  try {
    return await KubernetesWorker.open({
      ...options,
      reapEveryMs: undefined,
      heartbeatEveryMs: undefined,
      migrate,
      signal,
    });
  } catch (error) {
    if (error instanceof InvalidSpecError) throw configurationError(error);
    throw error;
  }
}

/** The options of the worker come from the configuration, not from the arguments of the command. */
function configurationError(error: Error): CliError {
  const advice = error.message.includes('lacks the migration')
    ? 'apply it: kubernetes-worker migrate'
    : 'correct the configuration: docs/configuration.md';
  return new CliError(error.message, ExitCode.Configuration, { cause: error, advice });
}
