const MAX_PATH_BYTES = 4095;

/** The normal form of a path in a volume, or why there is none. */
export type EntryPath = string | { readonly problem: 'unsafe' | 'too long' };

/** Returns the path without empty and `.` components. `''` is the root. */
export function normalPath(path: string): EntryPath {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return { problem: 'unsafe' };
  const normal = parts.join('/');
  return normal.length > MAX_PATH_BYTES ? { problem: 'too long' } : normal;
}
