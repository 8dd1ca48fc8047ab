import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../src/service/main.ts', import.meta.url));

/** An embedded cluster in a separate process. */
export interface EmbeddedChild extends AsyncDisposable {
  readonly kubeconfig: string;
}

export async function startEmbedded(): Promise<EmbeddedChild> {
  const child = spawn(process.execPath, [program, 'embedded', '--json', '--until-stdin-closes'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // A signal to the process group would end the cluster before the hosts that use it.
    detached: true,
  });
  const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), once(child, 'exit')])) as [unknown];
  if (typeof line !== 'string') throw new Error('the embedded cluster did not start');
  const { kubeconfig } = JSON.parse(line) as { kubeconfig: string };
  return {
    kubeconfig,
    [Symbol.asyncDispose]: async () => {
      const exited = once(child, 'exit');
      child.stdin.end();
      await exited;
    },
  };
}
