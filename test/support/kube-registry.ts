import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Context } from 'mocha';

const run = promisify(execFile);

/** The registry of the nodes: what is pulled from it, and what makes it go away and come back. */
export interface KubeRegistry {
  /** Where it is, as in the names of images. */
  readonly host: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Gives an image a further tag, which no node has pulled yet. */
  tag(image: string, from: string, to: string): Promise<void>;
}

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';

/** By the program that `KW_KUBE_REGISTRY` names; without one the suite is skipped, and says why. */
export function kubeRegistry(context: Context): KubeRegistry {
  const program =
    process.env['KW_KUBE_REGISTRY'] ?? fileURLToPath(new URL('../../../shared/kube/registry', import.meta.url));
  const host = process.env['KW_TEST_REGISTRY'] ?? 'registry.local:5000';
  if (!existsSync(program)) {
    console.log(
      `      skipped: there is no ${program} to stop and start the registry with; KW_KUBE_REGISTRY names one`,
    );
    context.skip();
  }
  const urlOf = (image: string, tag: string): string => `http://${host}/v2/${image}/manifests/${tag}`;
  return {
    host,
    stop: async () => {
      await run(program, ['stop']);
    },
    start: async () => {
      // What it starts keeps its output open.
      await run('sh', ['-c', '"$0" start >/dev/null 2>&1', program]);
    },
    tag: async (image, from, to) => {
      const manifest = await fetch(urlOf(image, from), { headers: { accept: manifestType } });
      const answer = await fetch(urlOf(image, to), {
        method: 'PUT',
        headers: { 'content-type': manifestType },
        body: await manifest.text(),
      });
      if (!answer.ok) throw new Error(`the registry does not take the tag: ${answer.status}`);
    },
  };
}

/** A registry before the real one, on this machine and its nodes: it answers with a status until it is set to serve. */
export interface FaultyRegistry extends AsyncDisposable {
  readonly host: string;
  /** How often it refused. */
  readonly refusals: number;
  serve(): void;
}

export async function faultyRegistry({ host }: KubeRegistry, status: number): Promise<FaultyRegistry> {
  let isServing = false;
  let refusals = 0;
  const server = createServer((asked, answer) => {
    if (!isServing) {
      refusals += 1;
      answer.writeHead(status).end();
      return;
    }
    const { method, url, headers } = asked;
    const passed = request(`http://${host}${url ?? ''}`, { method, headers: { ...headers, host } }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      got.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `localhost:${port}`,
    get refusals() {
      return refusals;
    },
    serve: () => {
      isServing = true;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
