import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { stringify } from 'yaml';

import { freePort } from '../free-port.ts';
import { missing } from './prometheus-program.ts';

/** What is scraped, by the job. Each is a host and a port. */
export type ScrapedJobs = Readonly<Record<string, string>>;

/** A rule as the API of Prometheus has it. */
export interface EvaluatedRule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly state: string;
}

/** A Prometheus on loopback that scrapes every second. Dispose it. */
export class PrometheusServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #url: string;

  private constructor(child: ChildProcess, folder: string, url: string) {
    this.#child = child;
    this.#folder = folder;
    this.#url = url;
  }

  /** @throws Error - Prometheus is not installed, or ends before it is ready */
  static async start(jobs: ScrapedJobs, ruleFile: string): Promise<PrometheusServer> {
    const folder = await mkdtemp(join(tmpdir(), 'kw-prometheus-'));
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [ruleFile],
      scrape_configs: Object.entries(jobs).map(([job, target]) => ({
        job_name: job,
        static_configs: [{ targets: [target], labels: { namespace: 'ci' } }],
      })),
    };
    await writeFile(join(folder, 'prometheus.yml'), stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const flags = ['config.file=prometheus.yml', 'storage.tsdb.path=data', `web.listen-address=${address}`];
    const args = [...flags.map((flag) => `--${flag}`), '--log.level=error'];
    const child = spawn('prometheus', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    const failed = new Promise<Error>((resolve) => {
      child.once('error', (error) => resolve(missing('prometheus', error)));
      child.once('exit', (code) => resolve(new Error(`prometheus ended with ${code}`)));
    });
    const server = new PrometheusServer(child, folder, `http://${address}`);
    const early = await Promise.race([failed, server.#ready()]);
    if (early === undefined) return server;
    await rm(folder, { recursive: true });
    throw early;
  }

  /** Resolves with the number of series that the expression has now. Rejects if Prometheus refuses it. */
  async count(expr: string): Promise<number> {
    const { result } = await this.#get<{ result: unknown }>(`query?${new URLSearchParams({ query: expr }).toString()}`);
    return Array.isArray(result) ? result.length : 1;
  }

  /** Resolves with all rules. Before its first evaluation, a rule has the health `unknown`. */
  async rules(): Promise<readonly EvaluatedRule[]> {
    const { groups } = await this.#get<{ groups: { rules: EvaluatedRule[] }[] }>('rules');
    return groups.flatMap(({ rules }) => rules);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#child.exitCode === null ? once(this.#child, 'exit') : undefined;
    this.#child.kill('SIGTERM');
    await ended;
    await rm(this.#folder, { recursive: true });
  }

  async #ready(): Promise<undefined> {
    const isReady = async (): Promise<boolean> =>
      await fetch(`${this.#url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (this.#child.exitCode === null && !(await isReady())) await sleep(100);
  }

  async #get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1/${path}`);
    const { status, error, data } = (await response.json()) as { status: string; error?: string; data: T };
    if (status !== 'success') throw new Error(error);
    return data;
  }
}
