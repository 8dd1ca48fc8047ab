import { chmod, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isRecord } from './api-object.ts';

/** Removes a directory and all in it, also what is in directories that may not be written. Links are removed, never followed; a path that is gone is fine. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 });
  } catch (error) {
    const code = isRecord(error) ? error['code'] : undefined;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'ENOTEMPTY') throw error;
    await openDirectories(path);
    await rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 });
  }
}

async function openDirectories(path: string): Promise<void> {
  await chmod(path, 0o700).catch(() => undefined);
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const entry of entries) if (entry.isDirectory()) await openDirectories(join(path, entry.name));
}
