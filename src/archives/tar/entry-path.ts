const MAX_PATH_BYTES = 4095;
/** The limit of Linux for one component. */
const MAX_NAME_BYTES = 255;

/** The normal form of a path in a volume, or why there is none. */
export type EntryPath = string | { readonly problem: 'unsafe' | 'too long' };

/** Returns the path without empty and `.` components. `''` is the root. */
export function normalPath(path: string): EntryPath {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return { problem: 'unsafe' };
  const normal = parts.join('/');
  const isTooLong = normal.length > MAX_PATH_BYTES || parts.some((part) => part.length > MAX_NAME_BYTES);
  return isTooLong ? { problem: 'too long' } : normal;
}
