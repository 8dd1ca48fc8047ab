import type { CliContext, CliInput, CliOutput } from '../cli-context.ts';

/** The size of a terminal in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Returns the size of a terminal, `undefined` if the output is none. */
export function sizeOf({ isTTY, columns, rows }: CliOutput): TerminalSize | undefined {
  return isTTY === true && columns !== undefined && rows !== undefined && columns > 0 && rows > 0
    ? { columns, rows }
    : undefined;
}

/**
 * Runs work with the terminal of stdin in raw mode: each key, Ctrl-C included, is a byte of stdin.
 * Restores the mode at the end of the work, and at the end of the process if it comes first.
 */
export async function withRawMode<T>({ stdin }: Pick<CliContext, 'stdin'>, work: () => Promise<T>): Promise<T> {
  if (!isTerminal(stdin)) return await work();
  const restore = (): void => void stdin.setRawMode(false);
  process.once('exit', restore);
  stdin.setRawMode(true);
  try {
    return await work();
  } finally {
    process.off('exit', restore);
    restore();
  }
}

function isTerminal(stdin: CliInput): stdin is CliInput & Required<Pick<CliInput, 'setRawMode'>> {
  return stdin.isTTY === true && stdin.setRawMode !== undefined;
}

/**
 * Calls `resize` with the size of the terminal after each change, one call at a time. Sizes between two
 * calls are left out. A call that rejects is ignored: the next change repeats it.
 */
export function followSize(output: CliOutput, resize: (size: TerminalSize) => Promise<void>): Disposable {
  let isRunning = false;
  let isStale = false;
  const run = async (): Promise<void> => {
    while (isStale) {
      isStale = false;
      const size = sizeOf(output);
      if (size !== undefined) await resize(size).catch(() => {});
    }
    isRunning = false;
  };
  const changed = (): void => {
    isStale = true;
    if (isRunning) return;
    isRunning = true;
    void run();
  };
  output.on('resize', changed);
  return { [Symbol.dispose]: () => void output.off('resize', changed) };
}
