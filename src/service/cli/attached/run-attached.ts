import type { Container, ProcessResult, ProcessSpec } from '../../../index.ts';
import type { CliContext } from '../cli-context.ts';
import { followSize, hangUp, sizeOf, withRawMode } from './terminal.ts';

export interface AttachedOptions {
  /** Whether the command reads stdin. */
  readonly stdin: boolean;
  /** Whether the command has a terminal. */
  readonly tty: boolean;
}

/**
 * Runs a command to its end, with the streams of this process. If both ends have a terminal, that
 * of this process is in raw mode until then, and the command's follows its size.
 *
 * The signal, and a hang-up of the terminal, stop the command: TERM, then KILL. The call then
 * rejects with the signal's reason.
 */
export async function runAttached(
  container: Pick<Container, 'run'>,
  spec: ProcessSpec,
  { stdin: hasStdin, tty: hasTty }: AttachedOptions,
  context: CliContext,
): Promise<ProcessResult> {
  const { stdin, stdout, stderr } = context;
  const attached = async (): Promise<ProcessResult> => {
    using hanging = hangUp();
    const signal = AbortSignal.any([context.signal, hanging.signal]);
    const tty = hasTty ? { tty: { windowSize: sizeOf(stdout) } } : {};
    const io = { stdout, stderr, ...(hasStdin ? { stdin } : {}) };
    const process = await container.run({ ...spec, ...tty }, io, { signal });
    using _following = hasTty ? followSize(stdout, (size) => process.resize(size, { signal })) : undefined;
    return await process.wait({ signal });
  };
  try {
    return await (hasTty && hasStdin ? withRawMode(context, attached) : attached());
  } finally {
    // An open stdin without a reader would keep the process running.
    if (hasStdin) stdin.destroy();
  }
}
