import { Writable } from 'node:stream';

/** The interval between updates of a progress line on a terminal. */
const redrawMs = 200;

/**
 * Prints the demo's output: one line per fact, a progress line during transfers, and the output of
 * commands.
 */
export class DemoConsole {
  readonly #out: NodeJS.WriteStream;
  readonly #now: () => number;
  #drawnAt = 0;
  #progress = false;

  constructor(out: NodeJS.WriteStream, now: () => number = () => performance.now()) {
    this.#out = out;
    this.#now = now;
  }

  step(name: string, title: string): void {
    this.#line(`\n${name.padEnd(9)} ${title}`);
  }

  fact(label: string, value: string): void {
    this.#line(`  ${label.padEnd(10)} ${value}`);
  }

  check(claim: string, holds: boolean): void {
    this.#line(`  ${holds ? 'ok        ' : 'NOT OK    '} ${claim}`);
  }

  /** Updates the progress line in place. Prints nothing if the output is not a terminal. */
  progress(label: string, bytes: number, startedAt: number): void {
    if (!this.#out.isTTY || this.#now() - this.#drawnAt < redrawMs) return;
    this.#drawnAt = this.#now();
    this.#progress = true;
    this.#out.write(`\r\x1b[K  ${label.padEnd(10)} ${rate(bytes, this.#now() - startedAt)}`);
  }

  /** Returns a writable for a stream of a command. It prints each line with the stream's name. */
  stream(name: string): Writable & { text(): string } {
    let text = '';
    let line = '';
    const writable = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        text += chunk.toString();
        const lines = (line + chunk.toString()).split('\n');
        line = lines.pop() ?? '';
        for (const whole of lines) this.fact(name, whole);
        done();
      },
    });
    return Object.assign(writable, { text: () => text });
  }

  #line(text: string): void {
    if (this.#progress) this.#out.write('\r\x1b[K');
    this.#progress = false;
    this.#out.write(`${text}\n`);
  }
}

/** `12.3 MiB in 0.5 s, 24.6 MiB/s` */
export function rate(bytes: number, elapsedMs: number): string {
  const mebibytes = bytes / 1024 / 1024;
  const seconds = elapsedMs / 1000;
  return `${bytes} bytes (${mebibytes.toFixed(2)} MiB) in ${seconds.toFixed(2)} s, ${(mebibytes / Math.max(seconds, 0.001)).toFixed(1)} MiB/s`;
}
