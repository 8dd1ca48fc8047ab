import { createRequire } from 'node:module';

import { Command } from 'commander';

import type { CliContext, SetExitCode } from './cli-context.ts';
import { cpCommand } from './commands/cp.ts';
import { embeddedCommand } from './commands/embedded.ts';
import { execCommand } from './commands/exec.ts';
import { runCommand } from './commands/run.ts';

/**
 * Defines one command. It imports nothing but types of the library: the action loads what it needs, so
 * that `--help` loads neither the library nor an SDK.
 */
export type DefineCommand = (context: CliContext, setExitCode: SetExitCode) => Command;

/** The commands, in the order of the help. */
const commands: readonly DefineCommand[] = [runCommand, execCommand, cpCommand, embeddedCommand];

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
