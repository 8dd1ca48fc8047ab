import type { Clock } from '../runtime/options.ts';
import type { EventsOptions, WorkerEvent } from '../runtime/worker-events.ts';
import type { EmitEvent } from './emit-event.ts';
import { EventBuffer } from './event-buffer.ts';

const defaultBufferSize = 1_000;

/** Distributes the events of one worker object to its consumers, and never waits for one. */
export class EventHub {
  readonly #clock: Clock;
  readonly #buffers = new Set<EventBuffer>();

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  readonly emit: EmitEvent = (facts) => {
    if (this.#buffers.size === 0) return;
    const event: WorkerEvent = Object.freeze({ at: new Date(this.#clock.now()), ...facts });
    for (const buffer of this.#buffers) buffer.push(event);
  };

  /** Returns all events from now on. */
  subscribe({ bufferSize: size = defaultBufferSize, signal }: EventsOptions = {}): AsyncIterable<WorkerEvent> {
    const abort = (): void => buffer.discard();
    const buffer = new EventBuffer({
      size,
      ended: () => {
        signal?.removeEventListener('abort', abort);
        this.#buffers.delete(buffer);
      },
    });
    this.#buffers.add(buffer);
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    return buffer;
  }

  /** Ends every iterable after its waiting events. */
  close(): void {
    for (const buffer of this.#buffers) buffer.end();
  }
}
