import type { Mask } from '../internal/host-mask.ts';
import { quote } from '../internal/quote.ts';
import { within } from '../internal/within.ts';
import type { Cluster, LogTarget } from '../kubernetes/cluster.ts';
import type { AbortOptions, Clock, Logger } from '../runtime/options.ts';

export interface LastOutputComponents {
  readonly cluster: Pick<Cluster, 'readLog'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly mask: Mask;
}

const maxLines = 20;
const maxBytes = 2_000;
/** Lines are masked whole, because a part of a secret is not recognised. */
const maxReadBytes = 64 * 1024;
const timeoutMs = 5_000;

/**
 * Returns the end of the output of a container's last run, masked and on one line. Returns an empty
 * text if it cannot be read in time. The run that ended last is the current run until another run
 * begins.
 */
export async function lastOutput(
  { podName, containerName }: Pick<LogTarget, 'podName' | 'containerName'>,
  components: LastOutputComponents,
  { signal }: AbortOptions,
): Promise<string> {
  const { clock, logger, mask } = components;
  for (const previous of [false, true]) {
    const target = { podName, containerName, follow: false, previous, tailLines: maxLines };
    try {
      const text = await within(timeoutMs, clock, (reading) => readText(components, target, reading), signal);
      const shown = mask(text)?.trim() ?? '';
      if (text !== '') return quote(lastOf(shown), maxBytes);
    } catch (error) {
      signal?.throwIfAborted();
      logger.debug('last output not read', { podName, containerName, previous, error });
    }
  }
  return '';
}

async function readText({ cluster }: LastOutputComponents, target: LogTarget, signal: AbortSignal): Promise<string> {
  const lines: Uint8Array[] = [];
  let size = 0;
  for await (const { bytes } of cluster.readLog(target, { signal })) {
    lines.push(bytes);
    size += bytes.length;
    while (size > maxReadBytes) size -= lines.shift()?.length ?? size;
  }
  return Buffer.concat(lines).toString('utf8').trim();
}

function lastOf(text: string): string {
  return Buffer.from(text).subarray(-maxBytes).toString('utf8').trim();
}
