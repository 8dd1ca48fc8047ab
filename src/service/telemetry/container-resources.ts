import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What limits the container of this process. `undefined`: there is no such limit, or it is not known. */
export interface ContainerResources {
  memoryLimitBytes(): Promise<number | undefined>;
  /** How long the container was kept from the CPU since its start, in seconds. */
  throttledSeconds(): Promise<number | undefined>;
}

/**
 * Returns the resources of the control group, version 2, which a container has at this path.
 *
 * @param path - the folder of the group
 */
export function containerResources(path = '/sys/fs/cgroup'): ContainerResources {
  const read = async (name: string): Promise<string> => await readFile(join(path, name), 'utf8').catch(() => '');
  return {
    memoryLimitBytes: async () => numberIn(/^(\d+)$/m, await read('memory.max')),
    throttledSeconds: async () => {
      const throttledUs = numberIn(/^throttled_usec (\d+)$/m, await read('cpu.stat'));
      return throttledUs === undefined ? undefined : throttledUs / 1e6;
    },
  };
}

function numberIn(pattern: RegExp, text: string): number | undefined {
  const [, digits] = pattern.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits);
}
