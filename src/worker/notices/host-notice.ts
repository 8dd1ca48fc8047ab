import type { Writable } from 'node:stream';

/**
 * Writes a text to a writable of the host, in whatever state the writable is. Never throws and
 * never waits: the writable keeps the text until it can take it. An error of this write has no
 * effect.
 */
export function writeNotice(writable: Writable | undefined, text: string): void {
  if (writable === undefined || writable.destroyed || writable.writableEnded) return;
  const release = (): void => {
    writable.off('error', ignore).off('error', release).off('close', release);
  };
  writable.on('error', ignore).on('close', release);
  try {
    writable.write(text, (error) => {
      // A failed write emits its error after this callback.
      if (error) writable.once('error', release);
      else release();
    });
  } catch {
    release();
  }
}

function ignore(): void {
  // The text is lost; what it describes is unchanged.
}
