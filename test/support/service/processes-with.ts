import { readdir, readFile } from 'node:fs/promises';

/** Returns the IDs of the processes of this machine whose arguments contain a text. */
export async function processesWith(text: string): Promise<readonly string[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const found = await Promise.all(
    ids.map(async (id) => {
      // A process may end meanwhile.
      const args = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '');
      return args.includes(text) ? [id] : [];
    }),
  );
  return found.flat();
}
