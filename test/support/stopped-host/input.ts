import { randomBytes } from 'node:crypto';

export const mountPath = '/tmp/in';

/** Returns the input of a host: twenty files with its mark, and one that takes time. */
export function inputFiles(mark: string): Readonly<Record<string, string | Buffer>> {
  const files = Array.from({ length: 20 }, (_, index) => [`mark-${index}`, `${mark}\n`] as const);
  return {
    ...Object.fromEntries(files.slice(0, 10)),
    large: randomBytes(1_000_000),
    ...Object.fromEntries(files.slice(10)),
  };
}
