import { createWriteStream } from 'node:fs';
import { open, rename, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, createZstdCompress } from 'node:zlib';

import type { Encoding } from '../../../index.ts';
import type { CliOutput } from '../cli-context.ts';
import { UsageError } from '../cli-error.ts';
import { ArchiveDigest, type Copied, counted } from './counted.ts';
import { checkTarget, folderOf, unpackTo } from './local-target.ts';
import { encodingOf, type LocalPlace } from './place.ts';
import type { Progress } from './progress.ts';
import type { Remote } from './remote.ts';
import { makeWorkFolder, removeWorkFolder } from './work-folder.ts';

export interface DownloadOptions {
  readonly stdout: CliOutput;
  /** Whether what exists at the target is replaced. */
  readonly force: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Downloads what is at a path of a volume to a local place. Both ends have verified the archive when
 * the call resolves, and until then the target is as it was.
 *
 * @throws UsageError if the target cannot be written
 */
export async function download({ volume, path }: Remote, to: LocalPlace, options: DownloadOptions): Promise<Copied> {
  const { stdout, force, progress, signal } = options;
  const digest = new ArchiveDigest();
  const archive = async (): Promise<AsyncGenerator<Uint8Array>> =>
    digest.of(counted(await volume.streamOut(path, { signal }), progress));
  if (to.kind === 'stdio') {
    if (stdout.isTTY === true) throw new UsageError('an archive is not written to a terminal', 'redirect stdout');
    await pipeline(Readable.from(await archive()), stdout, { end: false, signal });
    return digest.copied();
  }
  const encoding = await archiveEncoding(to.path);
  if (encoding === undefined) await unpackTo(to.path, archive, { force });
  else await writeArchive(to.path, archive, encoding, { force, signal });
  return digest.copied();
}

/** Returns the encoding of the archive file that a target is, `undefined` for a folder or another file. */
async function archiveEncoding(path: string): Promise<Encoding | undefined> {
  const isFolder = await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
  return isFolder ? undefined : encodingOf(path);
}

/** Writes an archive to a hidden file beside the target, and renames it when it is complete. */
async function writeArchive(
  target: string,
  archive: () => Promise<AsyncGenerator<Uint8Array>>,
  encoding: Encoding,
  { force, signal }: Pick<DownloadOptions, 'force' | 'signal'>,
): Promise<void> {
  await checkTarget(target, { force });
  const path = resolve(target);
  const work = await makeWorkFolder(await folderOf(path, target), path);
  try {
    const file = join(work, basename(path));
    await pipeline([Readable.from(await archive()), ...encoders(encoding), createWriteStream(file)], { signal });
    const handle = await open(file);
    // Some disks report that they are full here.
    await handle.sync().finally(() => handle.close());
    await rename(file, path);
  } finally {
    await removeWorkFolder(work);
  }
}

function encoders(encoding: Encoding): Transform[] {
  switch (encoding) {
    case 'raw':
      return [];
    case 'gzip':
      return [createGzip()];
    case 'zstd':
      return [createZstdCompress()];
  }
}
