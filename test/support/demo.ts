import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface DemoRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the demo as `npm run demo -- …` does. `onOutput` receives the output so far, and may end the
 * demo by a signal.
 */
export async function runDemo(
  args: readonly string[],
  onOutput?: (text: string, kill: (signal: NodeJS.Signals) => void) => void,
): Promise<DemoRun> {
  const child = spawn(process.execPath, ['--import', './scripts/from-source.ts', 'examples/demo/main.ts', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let seen = '';
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString();
    onOutput?.(seen, (signal) => child.kill(signal));
  });
  const [stdout, stderr, [status]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { status, stdout, stderr };
}
