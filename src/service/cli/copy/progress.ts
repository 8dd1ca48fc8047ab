import type { CliOutput } from '../cli-context.ts';
import { barLine, plainLine } from './progress-line.ts';
import { TransferRate } from './transfer-rate.ts';

/** Receives the bytes of a transfer. */
export interface Progress {
  add(bytes: number): void;
  restart(): void;
}

/** The time between two redraws of the bar, and between two plain lines, in milliseconds. */
const [barMs, lineMs] = [150, 5_000];
const clearLine = '\r\x1b[K';

export interface ProgressOptions {
  /** @defaultValue unknown */
  readonly totalBytes: number | undefined;
  /** Whether nothing is shown. */
  readonly isQuiet: boolean;
}

/**
 * Shows the progress of work: a bar on a terminal, a line every few seconds elsewhere. The bar is
 * removed at the end, whatever the outcome.
 */
export async function withProgress<T>(
  output: CliOutput,
  { totalBytes, isQuiet }: ProgressOptions,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const rate = new TransferRate(totalBytes, () => performance.now());
  if (isQuiet) return await work(rate);
  const isTerminal = output.isTTY === true;
  const show = (): void => {
    const state = rate.sample();
    // The last column stays empty: some terminals wrap the line there.
    const text = isTerminal ? `${clearLine}${barLine(state, (output.columns ?? 80) - 1)}` : `${plainLine(state)}\n`;
    // A slow terminal skips redraws.
    if (!output.writableNeedDrain) output.write(text);
  };
  rate.sample();
  if (isTerminal) show();
  const timer = setInterval(show, isTerminal ? barMs : lineMs);
  try {
    return await work(rate);
  } finally {
    clearInterval(timer);
    if (isTerminal) output.write(clearLine);
  }
}
