import { posix } from 'node:path';

import { InvalidSpecError } from '../../errors/caller.ts';

/** The library's folders in a pod. A user's mount must not cover them. */
const reservedPaths = ['/.kw', '/.kw-agent'];

/**
 * Returns the absolute, normalized path.
 *
 * @throws InvalidSpecError - the path is empty, relative without a `dir`, contains `..`, is the
 *   root, is reserved, or is no valid mount path
 */
export function cleanPath(field: string, path: string, dir: string | undefined): string {
  if (path === '') throw new InvalidSpecError(field, 'is empty');
  if (/[\0:]/.test(path))
    throw new InvalidSpecError(field, `${JSON.stringify(path)} contains a NUL or a colon, which a mount path must not`);
  if (path.split('/').includes('..')) throw new InvalidSpecError(field, `${JSON.stringify(path)} contains ".."`);
  if (!posix.isAbsolute(path) && dir === undefined)
    throw new InvalidSpecError(field, `${JSON.stringify(path)} is relative, and the container has no dir`);
  const clean = posix.join('/', posix.isAbsolute(path) ? path : posix.join(dir ?? '/', path)).replace(/(?<=.)\/$/, '');
  if (clean === '/') throw new InvalidSpecError(field, 'is the root of the file system');
  const reserved = reservedPaths.find((own) => clean === own || clean.startsWith(`${own}/`));
  if (reserved !== undefined)
    throw new InvalidSpecError(field, `${clean} is reserved: ${reserved} belongs to the library`);
  return clean;
}

/**
 * Checks that a mount does not replace another mount, and that neither of two nested mounts needs a
 * folder in a read-only one, where Kubernetes cannot create it.
 *
 * @param others - the paths of other mounts
 * @param sealed - the paths of those that are read-only
 * @throws InvalidSpecError - names the field of the mount
 */
export function checkMountIsFree(
  field: string,
  path: string,
  others: readonly string[],
  sealed: readonly string[],
): void {
  if (others.includes(path)) throw new InvalidSpecError(field, `${path} is already the path of another mount`);
  const inner = others.find((other) => other.startsWith(`${path}/`));
  if (inner !== undefined) throw new InvalidSpecError(field, `the mount ${inner} is inside ${path}`);
  const outer = sealed.find((other) => path.startsWith(`${other}/`));
  if (outer !== undefined) throw new InvalidSpecError(field, `${path} is inside the read-only mount ${outer}`);
}
