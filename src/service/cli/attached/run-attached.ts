import type { Container, ProcessResult, ProcessSpec } from '../../../index.ts';
import { messageOf } from '../../error-facts.ts';
import type { CliContext } from '../cli-context.ts';
import { warn } from '../output.ts';
import { followSize, sizeOf, withRawMode } from './terminal.ts';

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
 * The signal stops the command: TERM, then KILL. Then it rejects with the signal's reason. A part of
 * the output that is missing is a warning on stderr.
 */
export async function runAttached(
  container: Pick<Container, 'run'>,
  spec: ProcessSpec,
  { stdin: hasStdin, tty: hasTty }: AttachedOptions,
  context: CliContext,
): Promise<ProcessResult> {
  const { stdin, stdout, stderr, signal } = context;
  const attached = async (): Promise<ProcessResult> => {
    const tty = hasTty ? { tty: { windowSize: sizeOf(stdout) } } : {};
    const io = { stdout, stderr, ...(hasStdin ? { stdin } : {}) };
    const process = await container.run({ ...spec, ...tty }, io, { signal });
    using _following = hasTty ? followSize(stdout, (size) => process.resize(size, { signal })) : undefined;
    return await process.wait({ signal });
  };
  try {
    const result = await (hasTty && hasStdin ? withRawMode(context, attached) : attached());
    for (const { stream, cause } of result.undelivered ?? [])
      warn(stderr, `${stream} is incomplete: ${messageOf(cause)}`);
    return result;
  } finally {
    // An open stdin without a reader would keep the process running.
    if (hasStdin) stdin.destroy();
  }
}
