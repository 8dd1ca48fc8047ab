import { setTimeout as sleep } from 'node:timers/promises';

import { type CliProgram, type RunningCli, startCli } from './cli.ts';

/** One line of the log. */
export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly url?: string;
}

/** A replica of `kubernetes-worker serve` as a process of its own, on ports that the system chooses. */
export class ServeProcess {
  readonly cli: RunningCli;

  constructor(env: Readonly<Record<string, string>>, args: readonly string[] = [], program?: CliProgram) {
    this.cli = startCli(['serve', ...args], { program, env: { KW_STATUS_PORT: '0', KW_METRICS_PORT: '0', ...env } });
  }

  get lines(): readonly LogLine[] {
    return this.cli.stdout
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as LogLine);
  }

  /** Whether the last message about its role reports that it leads. */
  get leads(): boolean {
    const last = this.lines.map(({ message }) => message).findLast((message) => message.startsWith('controllers '));
    return last?.startsWith('controllers begin') === true;
  }

  /** Resolves when a line has this message. */
  async logged(message: string): Promise<void> {
    await this.cli.waitFor(`"message":"${message}`);
  }

  /** Resolves when it listens. */
  async url(): Promise<string> {
    await this.logged('the status server listens');
    return this.lines.find(({ message }) => message === 'the status server listens')?.url ?? '';
  }

  /** Returns the status of a probe; 0 if nothing answers. */
  async probe(name: 'livez' | 'readyz' | 'startupz'): Promise<number> {
    return await fetch(`${await this.url()}/${name}`, { signal: AbortSignal.timeout(5_000) }).then(
      async (response) => {
        await response.text();
        return response.status;
      },
      () => 0,
    );
  }

  /** Resolves when the probe has this status. */
  async untilProbe(name: 'livez' | 'readyz' | 'startupz', status: number): Promise<void> {
    while ((await this.probe(name)) !== status) await sleep(100);
  }

  async untilLeads(): Promise<void> {
    while (!this.leads) await sleep(50);
  }
}
