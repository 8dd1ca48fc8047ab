import { Command } from 'commander';

import type { DefineCommand } from '../cli-context.ts';
import { ExitCode } from '../exit-code.ts';
import { print, printJson } from '../output.ts';
import { configOf, configurable, withConfiguredOptions } from '../worker-command.ts';

interface MigrateOptions {
  readonly check?: boolean;
  readonly json?: boolean;
}

/** `migrate`: brings the schema of the database to the version of this program. */
export const migrateCommand: DefineCommand = (context, setExitCode) =>
  configurable(
    new Command('migrate')
      .description('Migrate the schema of the database to the version of this program.')
      .option('--check', 'Change nothing, and exit with 1 if a migration is missing.')
      .option('--json', 'Print JSON.')
      .action(async ({ check = false, json = false }: MigrateOptions, command: Command) => {
        const { config } = await configOf(command, context);
        const { workerOptionsOf } = await import('../../config/worker-options.ts');
        const { migrateDatabase } = await import('../../../index.ts');
        const { database } = await workerOptionsOf(config);
        const { missing } = await withConfiguredOptions(() =>
          migrateDatabase(database, { check, signal: context.signal }),
        );
        if (json) await printJson(context, { check, [check ? 'missing' : 'applied']: missing });
        else await print(context.stdout, textOf(missing, check));
        if (check && missing.length > 0) setExitCode(ExitCode.Failure);
      }),
  );

function textOf(missing: readonly string[], check: boolean): string {
  if (missing.length === 0) return 'The schema is up to date.\n';
  return missing.map((name) => `${check ? 'missing' : 'applied'} ${name}\n`).join('');
}
