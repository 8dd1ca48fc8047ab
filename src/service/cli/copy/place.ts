import { posix } from 'node:path';

import type { Encoding } from '../../../index.ts';
import { UsageError } from '../cli-error.ts';

/** A path of this machine, or `-` for stdin or stdout. */
export type LocalPlace = { readonly kind: 'stdio' } | { readonly kind: 'local'; readonly path: string };

/** A path in a volume, which is found by its handle or by that of a container that mounts it. */
export interface RemotePlace {
  readonly kind: 'container' | 'volume';
  readonly handle: string;
  readonly path: string;
}

export type Place = LocalPlace | RemotePlace;

const encodings: readonly (readonly [pattern: RegExp, encoding: Encoding])[] = [
  [/\.tar$/i, 'raw'],
  [/\.(tar\.gz|tgz)$/i, 'gzip'],
  [/\.(tar\.zst|tzst)$/i, 'zstd'],
];

/** Returns the encoding of an archive with this name, `undefined` if the name is not that of an archive. */
export function encodingOf(path: string): Encoding | undefined {
  return encodings.find(([pattern]) => pattern.test(path))?.[1];
}

export function isRemote(place: Place): place is RemotePlace {
  return place.kind === 'container' || place.kind === 'volume';
}

/**
 * Reads a place: `-`, `volume:HANDLE[:PATH]`, `HANDLE:PATH`, otherwise a path of this machine. A path
 * with a colon is one of this machine if it begins with a dot or a slash.
 *
 * @throws UsageError
 */
export function parsePlace(text: string): Place {
  if (text === '') throw new UsageError('a place is empty');
  if (text === '-') return { kind: 'stdio' };
  if (/^[./]/.test(text) || !text.includes(':')) return { kind: 'local', path: text };
  const [, volume, volumePath = ''] = /^volume:([^:]+)(?::(.*))?$/s.exec(text) ?? [];
  if (volume !== undefined) return { kind: 'volume', handle: volume, path: volumePath };
  const at = text.indexOf(':');
  const [handle, path] = [text.slice(0, at), text.slice(at + 1)];
  if (handle === '' || handle === 'volume')
    throw new UsageError(`${text} has no handle`, 'write HANDLE:PATH, volume:HANDLE:PATH, or ./PATH for a local path');
  if (!posix.isAbsolute(path))
    throw new UsageError(`${text}: a path in a container is absolute`, 'write ./PATH for a local path with a colon');
  return { kind: 'container', handle, path };
}

/** Returns the mount that a path is in: the one with the longest path. `undefined` if it is in none. */
export function mountOf<M extends { readonly mountPath: string }>(
  mounts: readonly M[],
  path: string,
): { readonly mount: M; readonly path: string } | undefined {
  const normal = posix.normalize(path);
  const [mount] = mounts
    .filter(({ mountPath }) => `${normal}/`.startsWith(mountPath === '/' ? '/' : `${mountPath}/`))
    .toSorted((a, b) => b.mountPath.length - a.mountPath.length);
  if (mount === undefined) return undefined;
  return { mount, path: normal.slice(mount.mountPath.length).replace(/^\/+/, '') };
}
