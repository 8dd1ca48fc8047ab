import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/service/main.ts', import.meta.url));

/**
 * An embedded cluster in its own process: independent of the hosts, it ends with the test process.
 */
export class EmbeddedProcess {
  readonly kubeconfigPath: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;

  private constructor(kubeconfigPath: string, child: ChildProcessByStdio<Writable, Readable, null>) {
    this.kubeconfigPath = kubeconfigPath;
    this.#child = child;
  }

  static async start(): Promise<EmbeddedProcess> {
    const child = spawn(process.execPath, [main, 'embedded', '--json', '--until-stdin-closes'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let line = '';
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      line += String(chunk);
      if (line.includes('\n')) break;
    }
    if (!line.includes('\n')) throw new Error(`the embedded cluster exited: ${await text(child.stdout)}`);
    child.stdout.resume();
    return new EmbeddedProcess((JSON.parse(line) as { kubeconfig: string }).kubeconfig, child);
  }

  /** Stops the process until `resume()`: connections stay open, and nothing answers. Containers run on. */
  suspend(): void {
    this.#child.kill('SIGSTOP');
  }

  resume(): void {
    this.#child.kill('SIGCONT');
  }

  async close(): Promise<void> {
    const exit = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined;
    this.#child.stdin.end();
    await exit;
  }
}
