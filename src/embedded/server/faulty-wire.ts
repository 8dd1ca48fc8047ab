import type { ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';
import { sleep } from '../../internal/system-clock.ts';
import { Timer } from '../../internal/timer.ts';
import type { FaultSet } from './faults.ts';

/** Limits the number of bytes that pass, and determines what happens to the rest. */
class Gate {
  #left: number;
  readonly #beyond: 'cut' | 'discard';
  constructor(afterBytes: number, beyond: 'cut' | 'discard') {
    this.#left = afterBytes;
    this.#beyond = beyond;
  }

  pass(bytes: Buffer): { readonly passed: Buffer; readonly fate: 'continue' | 'cut' | 'discard' } {
    const passed = bytes.subarray(0, this.#left);
    this.#left -= passed.length;
    return {
      passed,
      fate: passed.length < bytes.length || (this.#left === 0 && this.#beyond === 'cut') ? this.#beyond : 'continue',
    };
  }
}

function gate(faults: FaultSet, direction: 'in' | 'out'): Gate {
  const drop = faults.get('drop');
  if (drop !== undefined && (drop.direction ?? 'out') === direction) return new Gate(drop.afterBytes ?? 0, 'cut');
  const halfOpen = faults.get('half-open');
  return new Gate(halfOpen === undefined ? Number.POSITIVE_INFINITY : (halfOpen.afterBytes ?? 0), 'discard');
}

/**
 * A connection with faults, around another connection: counts, cuts off, discards or slows its
 * bytes.
 */
export class FaultySocket extends Duplex {
  readonly #socket: Duplex;
  readonly #in: Gate;
  readonly #out: Gate;
  readonly #bytesPerSecond: number;
  readonly #timers = new Set<Timer>();
  #armed = false;

  constructor(socket: Duplex, faults: FaultSet) {
    super();
    this.#socket = socket;
    this.#in = gate(faults, 'in');
    this.#out = gate(faults, 'out');
    this.#bytesPerSecond = faults.get('slow')?.bytesPerSecond ?? Number.POSITIVE_INFINITY;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.once('end', () => this.push(null));
    socket.once('error', (error) => this.destroy(error));
    socket.once('close', () => this.destroy());
    socket.pause();
  }

  /**
   * Starts to count bytes. Bytes before that, such as the response to the upgrade, pass unaffected.
   */
  arm(): void {
    this.#armed = true;
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (!this.#armed) {
      this.#socket.write(chunk, callback);
      return;
    }
    const { passed, fate } = this.#out.pass(chunk);
    const settle = () => {
      if (fate === 'cut') this.destroy();
      callback();
    };
    const send = () => (passed.length === 0 ? settle() : this.#socket.write(passed, settle));
    this.#paced(chunk.length, send);
  }

  override _final(callback: () => void): void {
    this.#socket.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    for (const timer of this.#timers) timer.clear();
    this.#socket.destroy();
    callback(error);
  }

  #receive(chunk: Buffer): void {
    const { passed, fate } = this.#in.pass(chunk);
    this.#socket.pause();
    this.#paced(chunk.length, () => {
      if (passed.length > 0) this.push(passed);
      if (fate === 'cut') this.destroy();
      if (fate === 'continue' && passed.length === 0) this.#socket.resume();
    });
  }

  #paced(bytes: number, then: () => void): void {
    if (!Number.isFinite(this.#bytesPerSecond)) return then();
    const timer = new Timer((bytes / this.#bytesPerSecond) * 1000, () => {
      this.#timers.delete(timer);
      then();
    });
    this.#timers.add(timer);
  }
}

/** Applies faults to the body of a response. */
export function makeFaulty(response: ServerResponse, faults: FaultSet): void {
  const out = gate(faults, 'out');
  const { bytesPerSecond = Number.POSITIVE_INFINITY } = faults.get('slow') ?? {};
  const write = response.write.bind(response);
  const end = response.end.bind(response);
  let queue: Promise<void> = Promise.resolve();
  let ended = false;
  const send = (chunk: string | Buffer) => {
    const bytes = Buffer.from(chunk);
    queue = queue.then(async () => {
      if (Number.isFinite(bytesPerSecond)) await sleep((bytes.length / bytesPerSecond) * 1000);
      if (ended || response.destroyed) return;
      const { passed, fate } = out.pass(bytes);
      ended = fate !== 'continue';
      const cut = () => fate === 'cut' && response.destroy();
      if (passed.length > 0) write(passed, cut);
      else cut();
    });
    return true;
  };
  const finish = (chunk?: string | Buffer) => {
    if (chunk !== undefined) send(chunk);
    queue = queue.then(() => {
      if (!ended) end();
    });
    return response;
  };
  Object.assign(response, { write: send, end: finish });
}
