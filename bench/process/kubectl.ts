import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs kubectl to its end, and passes each chunk of its output to `onOutput`. */
export async function kubectl(
  args: readonly string[],
  onOutput: (chunk: Buffer) => void = () => undefined,
): Promise<void> {
  const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.on('data', onOutput);
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new Error(`kubectl ${args[0] ?? ''} ended with status ${status ?? 'none'}`);
}
