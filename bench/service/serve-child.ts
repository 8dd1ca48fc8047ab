import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const sources = fileURLToPath(new URL('../../src/service/main.ts', import.meta.url));

/** Clock ticks a second of `/proc/PID/stat`, on every Linux. */
const ticksPerSecond = 100;
const startMs = 30_000;

export interface ServeOptions {
  /** The path of the program. @defaultValue the one of this checkout */
  readonly program?: string | undefined;
  readonly workerName: string;
  readonly kubeconfig: string;
  readonly database: string;
  readonly statusPort: number;
  readonly metricsPort: number;
}

/** `kubernetes-worker serve` in a process of its own. */
export class ServeChild implements AsyncDisposable {
  readonly url: string;
  readonly #metricsUrl: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, { statusPort, metricsPort }: ServeOptions) {
    this.url = `http://127.0.0.1:${String(statusPort)}`;
    this.#metricsUrl = `http://127.0.0.1:${String(metricsPort)}/metrics`;
    this.#child = child;
  }

  /** Resolves when the service is ready. */
  static async start(options: ServeOptions): Promise<ServeChild> {
    const { program = sources, workerName, kubeconfig, database, statusPort, metricsPort } = options;
    const flags = {
      'worker-name': workerName,
      'worker-kubeconfig': kubeconfig,
      'status-port': statusPort,
      'metrics-port': metricsPort,
      'logging-level': 'error',
    };
    const child = spawn(
      process.execPath,
      [program, 'serve', ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)])],
      { env: { ...process.env, KW_DATABASE_URL: database }, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const serve = new ServeChild(child, options);
    for (const end = Date.now() + startMs; ; await sleep(100)) {
      if (
        await fetch(`${serve.url}/readyz`).then(
          ({ ok }) => ok,
          () => false,
        )
      )
        return serve;
      if (child.exitCode !== null) throw new Error(`the service ended with exit code ${String(child.exitCode)}`);
      if (Date.now() > end) throw new Error('the service is not ready');
    }
  }

  /** Returns the resident memory. */
  async residentMiB(): Promise<number> {
    const status = await readFile(`/proc/${String(this.#child.pid)}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  /** Returns the processor time since the start. */
  async processorMs(): Promise<number> {
    const stat = await readFile(`/proc/${String(this.#child.pid)}/stat`, 'utf8');
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    return (((user ?? 0) + (system ?? 0)) * 1000) / ticksPerSecond;
  }

  /** Returns for how long its main thread could run and had no processor, since the start. */
  async waitedMs(): Promise<number> {
    const pid = String(this.#child.pid);
    const [, waitedNs] = (await readFile(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')).split(' ').map(Number);
    return (waitedNs ?? 0) / 1e6;
  }

  /** Returns the longest delay of the event loop since the last call. */
  async longestStallMs(): Promise<number> {
    const text = await (await fetch(this.#metricsUrl)).text();
    return Number(/^nodejs_eventloop_delay_max_seconds(?:\{.*\})? (\S+)/m.exec(text)?.[1]) * 1000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
  }
}
