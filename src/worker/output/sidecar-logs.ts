import type { Writable } from 'node:stream';

import type { PodLogs } from '../../pods/pod-logs.ts';
import type { Clock, Logger } from '../../runtime/options.ts';
import type { UndeliveredOutput } from '../../runtime/process.ts';
import { OutputSink } from './output-sink.ts';

/** The sidecars to read, and the writables that receive their logs. */
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

/** How long reading a log may take after the process has ended. */
const readingMs = 2_000;
/** How long a writable may take to catch up after the process has ended. */
const behindMs = 250;

/**
 * Delivers the logs of sidecars to the host's writables. Each log has its own pace and blocks
 * nothing else.
 */
export class SidecarLogs {
  readonly #target: SidecarLogsTarget;
  readonly #components: SidecarLogsComponents;
  readonly #sinks: readonly (readonly [string, OutputSink])[];
  readonly #stop = new AbortController();
  /** Aborts when the process has ended: then only lines that already exist are read. */
  readonly #noMoreLines = new AbortController();
  #pumps: readonly Promise<void>[] = [];

  constructor(target: SidecarLogsTarget, components: SidecarLogsComponents) {
    this.#target = target;
    this.#components = components;
    this.#sinks = Object.entries(target.writables).map(([name, writable]) => [
      name,
      new OutputSink('sidecar', writable, name),
    ]);
  }

  /** The logs that were not delivered completely. */
  get undelivered(): readonly UndeliveredOutput[] {
    return this.#sinks.flatMap(([, { failure }]) => (failure === undefined ? [] : [failure]));
  }

  /** Starts the delivery. The signal ends it. */
  follow(signal: AbortSignal): void {
    const within = AbortSignal.any([signal, this.#stop.signal]);
    this.#pumps = this.#sinks.map(([name, sink]) => this.#pump(name, sink, within));
  }

  /**
   * Delivers the lines that the sidecars have printed so far, as far as they can be read and
   * written in time: a log that cannot be read yet gets two seconds, a writable that is blocked
   * gets a quarter of a second.
   */
  async settle(): Promise<void> {
    this.#noMoreLines.abort();
    const { clock } = this.#components;
    const enough = new AbortController();
    const settling = this.#sinks.map(async ([, sink], index) => {
      const timeMs = sink.isBehind ? behindMs : readingMs;
      const settled = this.#pumps[index]?.then(() => sink.flush());
      await Promise.race([settled, clock.sleep(timeMs, { signal: enough.signal }).catch(() => undefined)]);
    });
    await Promise.all(settling);
    enough.abort();
    this.#stop.abort();
  }

  /** Stops the delivery and releases the writables. Idempotent. */
  release(): void {
    this.#stop.abort();
    for (const [, sink] of this.#sinks) sink.release();
  }

  async #pump(containerName: string, sink: OutputSink, signal: AbortSignal): Promise<void> {
    const { logs, logger } = this.#components;
    const { podName, from } = this.#target;
    try {
      for await (const line of logs.follow(
        { podName, containerName, from },
        { signal, until: this.#noMoreLines.signal },
      )) {
        await sink.deliver(line);
        if (signal.aborted || sink.failure !== undefined) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      sink.fail(error);
      logger.warn('sidecar log not read', { podName, container: containerName, error });
    }
  }
}
