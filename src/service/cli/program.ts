import { Command } from 'commander';
import { packageVersion } from '../package-version.ts';
import type { CliContext, DefineCommand, SetExitCode } from './cli-context.ts';
import { completionCommand } from './commands/completion.ts';
import { configCommand } from './commands/config.ts';
import { cpCommand } from './commands/cp.ts';
import { doctorCommand } from './commands/doctor.ts';
import { embeddedCommand } from './commands/embedded.ts';
import { eventsCommand } from './commands/events.ts';
import { execCommand } from './commands/exec.ts';
import { explainCommand } from './commands/explain.ts';
import { finishCommand } from './commands/finish.ts';
import { logsCommand } from './commands/logs.ts';
import { migrateCommand } from './commands/migrate.ts';
import { psCommand } from './commands/ps.ts';
import { reapCommand } from './commands/reap.ts';
import { runCommand } from './commands/run.ts';
import { serveCommand } from './commands/serve.ts';

/** The commands, in the order of the help. */
const commands: readonly DefineCommand[] = [
  runCommand,
  execCommand,
  cpCommand,
  logsCommand,
  psCommand,
  doctorCommand,
  explainCommand,
  eventsCommand,
  finishCommand,
  reapCommand,
  migrateCommand,
  serveCommand,
  configCommand,
  embeddedCommand,
  completionCommand,
];

/** Returns the command line with all its commands. */
export function createProgram(context: CliContext, setExitCode: SetExitCode): Command {
  const program = new Command('kubernetes-worker')
    .description('Run the steps of a CI system as Kubernetes pods.')
    .version(packageVersion(), '-V, --version', 'Print the version.')
    .helpOption('-h, --help', 'Print this help.')
    .helpCommand('help [command]', 'Print the help of a command.')
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
