import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';

import { type Artifact, packFolder } from '../../../index.ts';
import { messageOf } from '../../error-facts.ts';
import { UsageError } from '../cli-error.ts';

/**
 * Returns the content of a local folder as an input of a container. It is read when the library opens
 * it, and again if the pod has lost it.
 *
 * @throws UsageError if the path is not that of a folder, or cannot be read
 */
export async function folderArtifact(folder: string, skipped: (path: string) => void): Promise<Artifact> {
  const status = await stat(folder).catch((error: unknown) => {
    throw new UsageError(`--input: ${folder} cannot be read: ${messageOf(error)}`);
  });
  if (!status.isDirectory()) throw new UsageError(`--input: ${folder} is not a folder`);
  return {
    handle: `folder-${randomUUID()}`,
    source: 'host',
    streamOut: async () => Readable.from(packFolder(folder, { skipped }), { objectMode: false }),
    readFile: async () => {
      throw new TypeError('an input is read as a whole');
    },
  };
}
