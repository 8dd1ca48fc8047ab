import { Command } from 'commander';

import type { ConfigIssue } from '../../config/config-error.ts';
import type { CliContext, SetExitCode } from '../cli-context.ts';
import { ExitCode } from '../exit-code.ts';
import { print, printJson } from '../output.ts';
import { configOf, configurable } from '../worker-command.ts';

/** Defines `config validate`, `config print` and `config schema`. */
export function configCommand(context: CliContext, setExitCode: SetExitCode): Command {
  return new Command('config')
    .description('Check and print the configuration.')
    .addCommand(validateCommand(context, setExitCode))
    .addCommand(printCommand(context))
    .addCommand(schemaCommand(context));
}

function validateCommand(context: CliContext, setExitCode: SetExitCode): Command {
  return configurable(new Command('validate'))
    .description('Check the configuration, with the variables and flags that are set. Reads no secrets.')
    .argument('[file]', 'The file with the configuration, instead of that of --config.')
    .option('--json', 'Print the problems as JSON.')
    .action(async (file: string | undefined, { json = false }: { readonly json?: boolean }, command: Command) => {
      if (file !== undefined) command.setOptionValue('config', file);
      const issues = await issuesOf(command, context);
      if (issues.length > 0) setExitCode(ExitCode.Configuration);
      if (json) return await printJson(context, { ok: issues.length === 0, issues });
      if (issues.length === 0) return await print(context.stdout, 'The configuration is valid.\n');
      const { formatIssue } = await import('../../config/config-error.ts');
      await print(context.stderr, issues.map((issue) => `${formatIssue(issue)}\n`).join(''));
    });
}

async function issuesOf(command: Command, context: CliContext): Promise<readonly ConfigIssue[]> {
  const { ConfigError } = await import('../../config/config-error.ts');
  const { checkWorkerConfig } = await import('../../config/worker-options.ts');
  try {
    await checkWorkerConfig(await configOf(command, context));
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.issues;
    throw error;
  }
}

interface PrintOptions {
  readonly json?: boolean;
  readonly showOrigin?: boolean;
}

function printCommand(context: CliContext): Command {
  return configurable(new Command('print'))
    .description('Print the values of all keys as YAML. Secrets are masked.')
    .option('--show-origin', 'Print the source of each value, too.')
    .option('--json', 'Print JSON.')
    .action(async ({ json = false, showOrigin = false }: PrintOptions, command: Command) => {
      const loaded = await configOf(command, context);
      const { printableOrigins, printableTree, printYaml } = await import('../../config/print-config.ts');
      if (!json) return await print(context.stdout, printYaml(loaded, { showOrigin }));
      const config = printableTree(loaded);
      await printJson(context, showOrigin ? { config, origins: printableOrigins(loaded) } : config);
    });
}

function schemaCommand(context: CliContext): Command {
  return new Command('schema').description('Print the JSON Schema of the file.').action(async () => {
    const { jsonSchema } = await import('../../config/json-schema.ts');
    await printJson(context, jsonSchema());
  });
}
