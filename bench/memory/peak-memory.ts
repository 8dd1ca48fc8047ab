import { readFile, writeFile } from 'node:fs/promises';

/** The memory of a process in MiB, as the kernel counts it. */
export interface MemoryFigures {
  readonly resident: number;
  readonly anonymous: number;
  readonly peakResident: number;
}

/** Parses the text of `/proc/PID/status`. */
export function parseStatus(text: string): MemoryFigures {
  const of = (name: string): number => {
    const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    if (kibibytes === undefined) throw new Error(`/proc/PID/status has no ${name}`);
    return Number(kibibytes) / 1024;
  };
  return { resident: of('VmRSS'), anonymous: of('RssAnon'), peakResident: of('VmHWM') };
}

export async function memoryOf(pid: number): Promise<MemoryFigures> {
  return parseStatus(await readFile(`/proc/${pid}/status`, 'utf8'));
}

/** Resets the peak to the current resident memory. */
export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}
