import type { Writable } from 'node:stream';

import type { PodLogs } from '../pods/pod-logs.ts';
import type { Clock, Logger } from '../runtime/options.ts';
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

/** What a sidecar has said when the process ends is read within this time, */
const readingMs = 2_000;
/** and where its writable was behind already, that gets this much more. */
const behindMs = 250;

/** Brings the logs of sidecars to the host's writables, each at its own pace and apart from everything else. */
export class SidecarLogs {
  readonly #target: SidecarLogsTarget;
  readonly #components: SidecarLogsComponents;
  readonly #sinks: readonly (readonly [string, OutputSink])[];
  readonly #stop = new AbortController();
  /** Nothing new is waited for. */
  readonly #over = new AbortController();
  #pumps: readonly Promise<void>[] = [];

  constructor(target: SidecarLogsTarget, components: SidecarLogsComponents) {
    this.#target = target;
    this.#components = components;
    this.#sinks = Object.entries(target.writables).map(([name, writable]) => [
      name,
      new OutputSink('sidecar', writable, name),
    ]);
  }

  /** Those that failed, and why. */
  get undelivered(): readonly UndeliveredOutput[] {
    return this.#sinks.flatMap(([, { failure }]) => (failure === undefined ? [] : [failure]));
  }

  /** Begins. The signal ends it. */
  follow(signal: AbortSignal): void {
    const within = AbortSignal.any([signal, this.#stop.signal]);
    this.#pumps = this.#sinks.map(([name, sink]) => this.#pump(name, sink, within));
  }

  /**
   * What the sidecars have said by now is delivered, as far as it can be read and their writables take it: a log that cannot be read yet gets two seconds, a writable
   * that does not go on a quarter of one.
   */
  async settle(): Promise<void> {
    this.#over.abort();
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

  release(): void {
    this.#stop.abort();
    for (const [, sink] of this.#sinks) sink.release();
  }

  async #pump(containerName: string, sink: OutputSink, signal: AbortSignal): Promise<void> {
    const { logs, logger } = this.#components;
    const { podName, from } = this.#target;
    try {
      for await (const line of logs.follow({ podName, containerName, from }, { signal, until: this.#over.signal })) {
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
