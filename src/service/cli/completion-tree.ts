import { type Command, Help, type Option } from 'commander';

/** A command for which a shell completes words. */
export interface CompletionNode {
  /** The names that lead to the command, such as `/explain/image`. Empty for the program. */
  readonly path: string;
  readonly words: readonly CompletionWord[];
  /** The options whose next word is one of a list. */
  readonly choices: readonly CompletionChoice[];
  /** The names of the subcommands. */
  readonly subcommands: readonly string[];
}

/** A word that may come next. */
export interface CompletionWord {
  readonly text: string;
  readonly description: string;
}

/** An option with the words that may come after it. None: any word may come, such as a file. */
export interface CompletionChoice {
  readonly flag: string;
  readonly values: readonly string[];
}

/** Returns the command and its subcommands, without what the help hides. */
export function completionTree(command: Command, path = ''): readonly CompletionNode[] {
  const help = new Help();
  const subcommands = help.visibleCommands(command);
  const options = help.visibleOptions(command);
  const node: CompletionNode = {
    path,
    words: [
      ...subcommands.map((child) => ({ text: child.name(), description: child.description() })),
      ...command.registeredArguments.flatMap(({ argChoices = [], description }) =>
        argChoices.map((text) => ({ text, description })),
      ),
      ...options.flatMap((option) => flagsOf(option).map((text) => ({ text, description: option.description }))),
    ],
    choices: options
      .filter((option) => option.required)
      .flatMap((option) => flagsOf(option).map((flag) => ({ flag, values: option.argChoices ?? [] }))),
    subcommands: subcommands.map((child) => child.name()),
  };
  return [node, ...subcommands.flatMap((child) => completionTree(child, `${path}/${child.name()}`))];
}

function flagsOf({ short, long }: Option): readonly string[] {
  return [short, long].filter((flag) => flag !== undefined);
}
