import type { Writable } from 'node:stream';

import type { PodLogs } from '../pods/pod-logs.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';
import type { UndeliveredOutput } from '../runtime/process.ts';
import { OutputSink } from './output-sink.ts';

/** Whose logs go where. */
export interface SidecarLogsTarget {
  readonly podName: string;
  readonly writables: Readonly<Record<string, Writable>>;
  readonly from: 'start' | 'now';
}

export interface SidecarLogsComponents {
  readonly logs: PodLogs;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** When the process has ended, lines that are on their way get so long, */
const patienceMs = 1_000;
/** as long as they come one after the other. */
const quietMs = 100;

/** Brings the logs of sidecars to the host's writables, each at its own pace and apart from everything else. */
export class SidecarLogs {
  readonly #target: SidecarLogsTarget;
  readonly #components: SidecarLogsComponents;
  readonly #sinks: readonly (readonly [string, OutputSink])[];
  readonly #stop = new AbortController();
  #lastLineAt = 0;

  constructor(target: SidecarLogsTarget, components: SidecarLogsComponents) {
    this.#target = target;
    this.#components = components;
    this.#sinks = Object.entries(target.writables).map(([name, writable]) => [name, new OutputSink('sidecar', writable, name)]);
  }

  /** Those that failed, and why. */
  get undelivered(): readonly UndeliveredOutput[] {
    return this.#sinks.flatMap(([, { failure }]) => (failure === undefined ? [] : [failure]));
  }

  /** Begins. The signal ends it. */
  follow(signal: AbortSignal): void {
    const within = AbortSignal.any([signal, this.#stop.signal]);
    for (const [name, sink] of this.#sinks) void this.#pump(name, sink, within);
  }

  /** What was on its way is delivered, as far as that takes no time; then it is over. Never longer than a second, whatever the writables do. */
  async settle({ signal }: AbortOptions): Promise<void> {
    const { clock } = this.#components;
    if (this.#sinks.length === 0) return;
    const startedAt = clock.now();
    const left = (): number => startedAt + patienceMs - clock.now();
    while (left() > 0) {
      const quietFor = clock.now() - Math.max(startedAt, this.#lastLineAt);
      if (quietFor >= quietMs) break;
      await clock.sleep(Math.min(quietMs - quietFor, left()), { signal });
    }
    this.#stop.abort();
    const enough = new AbortController();
    const flushed = Promise.all(this.#sinks.map(([, sink]) => sink.flush()));
    await Promise.race([flushed, clock.sleep(Math.max(left(), 0), { signal: enough.signal }).catch(() => undefined)]);
    enough.abort();
  }

  release(): void {
    this.#stop.abort();
    for (const [, sink] of this.#sinks) sink.release();
  }

  async #pump(containerName: string, sink: OutputSink, signal: AbortSignal): Promise<void> {
    const { logs, clock, logger } = this.#components;
    const { podName, from } = this.#target;
    try {
      for await (const line of logs.follow({ podName, containerName, from }, { signal })) {
        this.#lastLineAt = clock.now();
        await sink.deliver(line);
        if (signal.aborted || sink.failure !== undefined) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      sink.fail(error);
      logger.warn('log of a sidecar not read', { podName, container: containerName, error });
    }
  }
}
