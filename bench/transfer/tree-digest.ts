import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Writable } from 'node:stream';

import type { Container } from 'kubernetes-worker';
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

/** Of the files below a folder of a container; or the output of another script there. */
export async function digestInPod(container: Container, dir: string, script = 'find . -type f -print0 | xargs -0 sha256sum'): Promise<string> {
  const chunks: Buffer[] = [];
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done): void {
      chunks.push(chunk);
      done();
    },
  });
  const process = await container.run({ path: 'sh', args: ['-c', script], dir }, { stdout });
  const { exitStatus } = await process.wait();
  if (exitStatus !== 0) throw new Error(`${script} in the pod ended with status ${exitStatus}`);
  return digestOfLines(Buffer.concat(chunks).toString().trim().split('\n'));
}
