import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

import { extract } from 'tar-stream';

/**
 * Returns the SHA-256 of the sorted lines `<sha256 of the content>  ./<name>` of all files, in the
 * format of `sha256sum`.
 */
function digestOfLines(lines: readonly string[]): string {
  return createHash('sha256')
    .update(`${[...lines].sort().join('\n')}\n`)
    .digest('hex');
}

/** Returns the digest of the files in an archive, independent of its format. */
export async function digestOfArchive(path: string): Promise<string> {
  const lines: string[] = [];
  const parser = createReadStream(path, { highWaterMark: 1024 * 1024 }).pipe(extract());
  // The loop rejects with this error.
  parser.on('error', () => undefined);
  for await (const entry of parser) {
    const hash = createHash('sha256');
    for await (const chunk of entry as AsyncIterable<Buffer>) hash.update(chunk);
    if (entry.header.type === 'file') lines.push(`${hash.digest('hex')}  ./${entry.header.name.replace(/^\.\//, '')}`);
  }
  return digestOfLines(lines);
}

/** Returns a script that prints these lines for the files below a folder of a pod. */
export function digestScript(dir: string): string {
  return `cd ${dir} && find . -type f -print0 | xargs -0 sha256sum`;
}

/** Returns the digest of the script's output. */
export function digestOfOutput(output: string): string {
  return digestOfLines(output.trim().split('\n'));
}
