import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const apiVersion = 'client.authentication.k8s.io/v1';

/** A folder with a real kubeconfig file and a real credential plug-in. */
export class PluginFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<PluginFolder> {
    return new PluginFolder(await mkdtemp(join(tmpdir(), 'kw-plugin-')));
  }

  get kubeConfig(): string {
    return join(this.path, 'config');
  }

  /** Writes a plug-in that counts its runs and then runs the script. */
  async plugin(script: string, name = 'plugin'): Promise<string> {
    const path = join(this.path, name);
    await writeFile(`${path}.new`, `#!/bin/sh\necho run >>'${this.path}/runs'\n${script}\n`, { mode: 0o755 });
    await rename(`${path}.new`, path);
    return path;
  }

  /** Returns a script that prints a credential. */
  answer(status: Readonly<Record<string, unknown>>, version = apiVersion): string {
    return `cat <<'END'\n${JSON.stringify({ kind: 'ExecCredential', apiVersion: version, status })}\nEND`;
  }

  /** Returns the number of runs of the plug-in. */
  async runs(): Promise<number> {
    return (await readFile(join(this.path, 'runs'), 'utf8').catch(() => '')).split('\n').length - 1;
  }

  /** Writes a kubeconfig for a user with the plug-in or for `changes.user`. */
  async configure(
    server: string,
    changes: { readonly user?: object; readonly exec?: object; readonly cluster?: object } = {},
  ): Promise<string> {
    const exec = { apiVersion, command: './plugin', interactiveMode: 'Never', ...changes.exec };
    const config = {
      'current-context': 'x',
      clusters: [{ name: 'c', cluster: { server, 'insecure-skip-tls-verify': true, ...changes.cluster } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'ci' } }],
      users: [{ name: 'u', user: changes.user ?? { exec } }],
    };
    await writeFile(this.kubeConfig, JSON.stringify(config));
    return this.kubeConfig;
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}
