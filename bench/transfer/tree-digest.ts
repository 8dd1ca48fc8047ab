import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

import { extract } from 'tar-stream';

/** SHA-256 of the sorted lines `<sha256 of the content>  ./<name>` of all files: what `sha256sum` prints of them, hashed. */
function digestOfLines(lines: readonly string[]): string {
  return createHash('sha256')
    .update(`${[...lines].sort().join('\n')}\n`)
    .digest('hex');
}

/** Of the files in an archive, whatever its format. */
export async function digestOfArchive(path: string): Promise<string> {
  const lines: string[] = [];
  const parser = createReadStream(path, { highWaterMark: 1024 * 1024 }).pipe(extract());
  // The loop rejects with it.
  parser.on('error', () => undefined);
  for await (const entry of parser) {
    const hash = createHash('sha256');
    for await (const chunk of entry as AsyncIterable<Buffer>) hash.update(chunk);
    if (entry.header.type === 'file') lines.push(`${hash.digest('hex')}  ./${entry.header.name.replace(/^\.\//, '')}`);
  }
  return digestOfLines(lines);
}

/** Prints those lines in a pod, for the files below a folder. */
export function digestScript(dir: string): string {
  return `cd ${dir} && find . -type f -print0 | xargs -0 sha256sum`;
}

/** Of what that has printed. */
export function digestOfOutput(output: string): string {
  return digestOfLines(output.trim().split('\n'));
}
