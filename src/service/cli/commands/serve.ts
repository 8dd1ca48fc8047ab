import { Command } from 'commander';

import type { CliContext } from '../cli-context.ts';
import { CliError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';
import { configurable, sourcesOf } from '../worker-command.ts';

const help = `
SIGTERM and SIGINT end it in order, with exit code 0; a second signal ends it at once. Commands in pods
run on. docs/operations.md describes its operation.`;

/** After its end, the process waits for open connections of libraries for this time only. */
const lingerMs = 2_000;

/** Runs the controllers of a worker, and answers probes and requests about it. */
export function serveCommand(context: CliContext): Command {
  const command = new Command('serve')
    .description('Run the controllers of a worker, with a status server and metrics.')
    .addHelpText('after', help);
  return configurable(command).action(async (_options, run: Command) => await runServe(run, context));
}

async function runServe(command: Command, context: CliContext): Promise<void> {
  const sources = sourcesOf(command, context);
  const { loadConfig } = await import('../../config/load-config.ts');
  const loaded = await loadConfig(sources);
  const { serve } = await import('../../serve/serve.ts');
  const { stdout, signal } = context;
  try {
    await serve({ loaded, sources, stdout, exitOnFault: () => process.exit(ExitCode.Internal), signal });
  } catch (error) {
    throw asCliError(error);
  } finally {
    setTimeout(() => process.exit(), lingerMs).unref();
  }
}

/** What is wrong is the configuration, not an argument. */
function asCliError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === 'ListenError') return new CliError(error.message, ExitCode.Temporary, { cause: error });
  if (!('code' in error) || error.code !== 'KW_ERR_INVALID_SPEC') return error;
  const isMigration = 'field' in error && error.field === 'migrate';
  const advice = isMigration
    ? 'apply it: kubernetes-worker migrate'
    : 'correct the configuration: docs/configuration.md';
  return new CliError(error.message, isMigration ? ExitCode.Unavailable : ExitCode.Configuration, {
    cause: error,
    advice,
  });
}
