import { readdir, readFile } from 'node:fs/promises';

/** Returns the other processes of this machine with a text in their command line. */
export async function processesWith(text: string): Promise<readonly number[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    ids.map(async (id) => {
      // A process may end meanwhile.
      const commandLine = await readFile(`/proc/${id}/cmdline`, 'latin1').catch(() => '');
      return commandLine.replaceAll('\0', ' ').includes(text) ? [Number(id)] : [];
    }),
  );
  return found.flat();
}
