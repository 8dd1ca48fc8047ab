import { readFile, writeFile } from 'node:fs/promises';

/** What a program has of memory, in MiB, as the kernel counts it. */
export interface MemoryFigures {
  readonly resident: number;
  readonly anonymous: number;
  readonly peakResident: number;
}

/** Reads the figures out of `/proc/PID/status`. */
export function parseStatus(text: string): MemoryFigures {
  const of = (name: string): number => {
    const kibibytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1];
    if (kibibytes === undefined) throw new Error(`/proc says nothing of ${name}`);
    return Number(kibibytes) / 1024;
  };
  return { resident: of('VmRSS'), anonymous: of('RssAnon'), peakResident: of('VmHWM') };
}

export async function memoryOf(pid: number): Promise<MemoryFigures> {
  return parseStatus(await readFile(`/proc/${pid}/status`, 'utf8'));
}

/** The peak begins anew at what is resident now. */
export async function forgetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
}
