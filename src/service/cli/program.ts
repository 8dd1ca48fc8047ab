import { createRequire } from 'node:module';

import { Command } from 'commander';

import type { CliContext, DefineCommand, SetExitCode } from './cli-context.ts';
import { completionCommand } from './commands/completion.ts';
import { doctorCommand } from './commands/doctor.ts';
import { eventsCommand } from './commands/events.ts';
import { explainCommand } from './commands/explain.ts';
import { logsCommand } from './commands/logs.ts';
import { migrateCommand } from './commands/migrate.ts';
import { psCommand } from './commands/ps.ts';
import { reapCommand } from './commands/reap.ts';

/** The commands, in the order of the help. */
const commands: readonly DefineCommand[] = [
  doctorCommand,
  migrateCommand,
  reapCommand,
  explainCommand,
  psCommand,
  logsCommand,
  eventsCommand,
  completionCommand,
];

/** Returns the command line with all its commands. */
export function createProgram(context: CliContext, setExitCode: SetExitCode): Command {
  const program = new Command('kubernetes-worker')
    .description('Runs the steps of a CI system as Kubernetes pods.')
    .version(versionOfPackage())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    })
    .showSuggestionAfterError();
  for (const define of commands) {
    const command = define(context, setExitCode);
    inheritSettings(command, program);
    program.addCommand(command);
  }
  return program;
}

function inheritSettings(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inheritSettings(child, command);
}

function versionOfPackage(): string {
  const manifest = createRequire(import.meta.url)('kubernetes-worker/package.json') as { readonly version: string };
  return manifest.version;
}
