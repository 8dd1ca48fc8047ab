import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, posix } from 'node:path';
import type { Readable } from 'node:stream';

import { type Encoding, packedFolderBytes, packFolder, type StreamSource } from '../../../index.ts';
import { messageOf } from '../../error-facts.ts';
import { CliError } from '../cli-error.ts';
import { ExitCode } from '../exit-code.ts';
import { type Copied, counted } from './counted.ts';
import { encodingOf, type LocalPlace } from './place.ts';
import type { Progress } from './progress.ts';
import type { Remote } from './remote.ts';

/** A tree or an archive to upload. */
export interface UploadSource {
  /** The folder of the volume that the archive is unpacked in. */
  readonly path: string;
  readonly encoding: Encoding;
  /** The bytes of the archive in its encoding. `undefined` if it is unknown. */
  readonly totalBytes: number | undefined;
  /** Opens the archive; of stdin it can be called once. */
  readonly open: (progress: Progress) => StreamSource;
}

export interface UploadOptions {
  readonly stdin: Readable;
  readonly skipped: (path: string) => void;
}

/** Returns what to upload from a local place to a path of a volume. */
export async function uploadSource(
  place: LocalPlace,
  to: string,
  { stdin, skipped }: UploadOptions,
): Promise<UploadSource> {
  if (place.kind === 'stdio')
    return { path: to, encoding: 'raw', totalBytes: undefined, open: (progress) => counted(stdin, progress) };
  const { path } = place;
  const status = await stat(path).catch((error: unknown) => {
    throw new CliError(`cannot read ${path}`, ExitCode.Failure, { cause: error, advice: messageOf(error) });
  });
  const encoding = status.isDirectory() ? undefined : encodingOf(path);
  if (encoding !== undefined)
    return { path: to, encoding, totalBytes: status.size, open: again(() => createReadStream(path)) };
  if (!status.isDirectory() && !status.isFile())
    throw new CliError(`${path} is neither a file nor a folder`, ExitCode.Failure, {
      advice: 'pass its bytes as a tar archive on stdin: -',
    });
  const totalBytes = await packedFolderBytes(path);
  const target = status.isDirectory() ? { path: to, name: undefined } : fileTarget(path, to);
  const open = again(() => packFolder(path, { name: target.name, skipped }));
  return { path: target.path, encoding: 'raw', totalBytes, open };
}

/** Uploads to a volume. Resolves when both ends have verified the archive. */
export async function upload(
  { path, encoding, open }: UploadSource,
  { volume }: Pick<Remote, 'volume'>,
  progress: Progress,
  signal: AbortSignal,
): Promise<Copied> {
  const { digest, rawBytes } = await volume.streamIn(path, open(progress), { encoding, signal });
  return { digest, bytes: rawBytes };
}

/** Returns a source that the library may open again. */
function again(open: () => AsyncIterable<Uint8Array>): UploadSource['open'] {
  return (progress) => () => {
    progress.restart();
    return counted(open(), progress);
  };
}

/** Returns where a file goes: into the folder `to` if it ends with a slash or is the root, else to the path `to`. */
function fileTarget(path: string, to: string): { readonly path: string; readonly name: string } {
  if (to === '' || to.endsWith('/')) return { path: to, name: basename(path) };
  const folder = posix.dirname(to);
  return { path: folder === '.' ? '' : folder, name: posix.basename(to) };
}
