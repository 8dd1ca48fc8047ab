import { quote } from '../internal/quote.ts';
import { within } from '../internal/within.ts';
import type { Cluster, LogTarget } from '../kubernetes/cluster.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';

export interface LastOutputComponents {
  readonly cluster: Pick<Cluster, 'readLog'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const maxLines = 20;
const maxBytes = 2_000;
const timeoutMs = 5_000;

/**
 * Returns the end of the output of a container's last run, on one line. Returns an empty text if it
 * cannot be read in time. The run that ended last is the current run until another run begins.
 */
export async function lastOutput(
  { podName, containerName }: Pick<LogTarget, 'podName' | 'containerName'>,
  components: LastOutputComponents,
  { signal }: AbortOptions,
): Promise<string> {
  const { clock, logger } = components;
  for (const previous of [false, true]) {
    const target = { podName, containerName, follow: false, previous, tailLines: maxLines };
    try {
      const text = await within(timeoutMs, clock, (reading) => readText(components, target, reading), signal);
      if (text !== '') return quote(text, maxBytes);
    } catch (error) {
      signal?.throwIfAborted();
      logger.debug('last output not read', { podName, containerName, previous, error });
    }
  }
  return '';
}

async function readText({ cluster }: LastOutputComponents, target: LogTarget, signal: AbortSignal): Promise<string> {
  let text = Buffer.alloc(0);
  for await (const { bytes } of cluster.readLog(target, { signal }))
    text = Buffer.concat([text, bytes]).subarray(-maxBytes);
  return text.toString('utf8').trim();
}
