import { Argument, Command } from 'commander';

import type { DefineCommand } from '../cli-context.ts';
import { completionScripts } from '../completion-scripts.ts';
import { completionTree } from '../completion-tree.ts';
import { print } from '../output.ts';

/** `completion`: a script with which a shell completes the words of a command line. */
export const completionCommand: DefineCommand = ({ stdout }) =>
  new Command('completion')
    .description('Print a script with which a shell completes commands and flags.')
    .addArgument(new Argument('<shell>', 'The shell.').choices(Object.keys(completionScripts)))
    .action(async (shell: string, _options: object, command: Command) => {
      const script = completionScripts[shell]?.(completionTree(command.parent ?? command)) ?? '';
      await print(stdout, script);
    });
