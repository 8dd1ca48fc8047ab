import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { checkEncoding, encodeArchive } from '../encodings/compression.ts';
import { InvalidSpecError } from '../errors/caller.ts';
import { ArtifactTooLargeError, FileNotFoundError, PathConflictError, type TransferFacts } from '../errors/transfer.ts';
import type { Artifact, ReadFileOptions, StreamOutOptions } from '../runtime/volume.ts';

/**
 * The content of a file: text, which is encoded as UTF-8, or bytes; with a mode if it is an object.
 *
 * @public
 */
export type FileContent =
  | string
  | Uint8Array
  | {
      /** The content of the file. */
      readonly content: string | Uint8Array;
      /** The permission bits. @defaultValue 0o644 */
      readonly mode?: number | undefined;
    };

/**
 * Options of `artifactOfFiles`.
 *
 * @public
 */
export interface FilesArtifactOptions {
  /** The handle of the artifact. @defaultValue one that contains the SHA-256 of the files */
  readonly handle?: string | undefined;
}

interface File {
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

/**
 * Returns an artifact with these files, by their relative paths, for `ContainerSpec.inputs`. The
 * content goes from this process into the pod's volume over the encrypted connection to the pod. It
 * is in no Kubernetes object, which makes this a way to pass credentials as files.
 *
 * By default the handle contains the SHA-256 of the files. Equal files then have equal handles, and a
 * host that restarts requests the same container. A short secret could be guessed from its digest:
 * pass a handle that does not depend on it.
 *
 * @example
 * ```ts
 * import { artifactOfFiles } from 'kubernetes-worker';
 *
 * const credentials = artifactOfFiles({ 'netrc': { content: 'machine git.example …', mode: 0o600 } });
 * await worker.findOrCreateContainer(
 *   { kind: 'build-step', key: '4711/fetch' },
 *   { image: 'alpine/git', inputs: [{ artifact: credentials, path: '/run/credentials' }] },
 * );
 * ```
 *
 * @throws InvalidSpecError if a path is not relative, leads out of the volume or conflicts with
 * another one, or if a mode is invalid
 * @public
 */
export function artifactOfFiles(
  files: Readonly<Record<string, FileContent>>,
  { handle }: FilesArtifactOptions = {},
): Artifact {
  if (handle === '') throw new InvalidSpecError('handle', 'is empty');
  const checked = Object.entries(files)
    .map(([path, file]) => checkFile(path, file))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  for (const [index, { path }] of checked.entries())
    if (checked.slice(index + 1).some((other) => other.path.startsWith(`${path}/`)))
      throw new InvalidSpecError(`files[${JSON.stringify(path)}]`, 'is a file and the folder of another one');
  return new FilesArtifact(handle ?? `files-${digestOf(checked)}`, checked);
}

class FilesArtifact implements Artifact {
  readonly handle: string;
  readonly source = 'host';
  readonly #files: readonly File[];

  constructor(handle: string, files: readonly File[]) {
    this.handle = handle;
    this.#files = files;
  }

  async streamOut(path: string, { encoding = 'raw', signal }: StreamOutOptions = {}): Promise<Readable> {
    const facts = this.#facts(path);
    const checkedEncoding = checkEncoding(encoding, facts);
    const at = posix.normalize(`/${path}`).replace(/\/$/, '');
    const found = this.#files.flatMap((file) => {
      const absolute = `/${file.path}`;
      if (absolute === at) return [{ ...file, path: posix.basename(at) }];
      return absolute.startsWith(`${at}/`) ? [{ ...file, path: absolute.slice(at.length + 1) }] : [];
    });
    if (found.length === 0 && at !== '') throw new FileNotFoundError(facts);
    // Imported here, because only this method needs it.
    const { pack } = await import('tar-stream');
    signal?.throwIfAborted();
    const archive = pack();
    // The archive of equal files is the same each time.
    for (const { path: name, mode, content } of found) archive.entry({ name, mode, mtime: new Date(0) }, content);
    archive.finalize();
    return encodeArchive(Readable.from(archive, { objectMode: false, signal }), checkedEncoding);
  }

  async readFile(path: string, { limitBytes = 1024 * 1024, signal }: ReadFileOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted();
    const facts = this.#facts(path);
    const at = posix.normalize(`/${path}`).slice(1);
    const file = this.#files.find((each) => each.path === at);
    if (file === undefined) {
      const isFolder = at === '' || this.#files.some((each) => each.path.startsWith(`${at}/`));
      throw isFolder ? new PathConflictError(facts, 'it is a folder, not a file') : new FileNotFoundError(facts);
    }
    if (file.content.length > limitBytes) throw new ArtifactTooLargeError(facts, limitBytes);
    return new Uint8Array(file.content);
  }

  #facts(path: string): TransferFacts {
    return { handle: this.handle, direction: 'out', path };
  }
}

function digestOf(files: readonly File[]): string {
  const digest = createHash('sha256');
  for (const { path, mode, content } of files)
    digest.update(JSON.stringify([path, mode, content.length])).update(content);
  return digest.digest('hex');
}

function checkFile(path: string, file: FileContent): File {
  const field = `files[${JSON.stringify(path)}]`;
  const isRelative = path !== '' && path === posix.normalize(path) && !/^(\/|\.\.?(\/|$))|\/$|\0/.test(path);
  if (!isRelative) throw new InvalidSpecError(field, 'is not a relative, normalized path of a file');
  const { content, mode = 0o644 } = typeof file === 'string' || file instanceof Uint8Array ? { content: file } : file;
  if (!Number.isInteger(mode) || mode < 0 || mode > 0o777)
    throw new InvalidSpecError(`${field}.mode`, 'is not from 0 to 0o777');
  if (typeof content !== 'string' && !(content instanceof Uint8Array))
    throw new InvalidSpecError(`${field}.content`, 'is neither text nor bytes');
  return { path, content: Buffer.from(content), mode };
}
