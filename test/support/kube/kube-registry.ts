import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import type { Context } from 'mocha';

const run = promisify(execFile);

/** The image registry of the nodes. Stops and starts it, and tags images. */
export interface KubeRegistry {
  /** The host part of image names. */
  readonly host: string;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Adds a tag to an image, so that no node has pulled that tag. */
  tag(image: string, from: string, to: string): Promise<void>;
}

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';

/**
 * Uses the program that `KW_KUBE_REGISTRY` names. Without one, skips the suite and prints the
 * reason.
 */
export function kubeRegistry(context: Context): KubeRegistry {
  const program =
    process.env['KW_KUBE_REGISTRY'] ?? fileURLToPath(new URL('../../../../shared/kube/registry', import.meta.url));
  const host = process.env['KW_TEST_REGISTRY'] ?? 'registry.local:5000';
  if (!existsSync(program)) {
    console.log(`      skipped: ${program}, which stops and starts the registry, does not exist; see KW_KUBE_REGISTRY`);
    context.skip();
  }
  const urlOf = (image: string, tag: string): string => `http://${host}/v2/${image}/manifests/${tag}`;
  return {
    host,
    stop: async () => {
      await run(program, ['stop']);
    },
    start: async () => {
      // The started program keeps the output open.
      await run('sh', ['-c', '"$0" start >/dev/null 2>&1', program]);
    },
    tag: async (image, from, to) => {
      const manifest = await fetch(urlOf(image, from), { headers: { accept: manifestType } });
      const answer = await fetch(urlOf(image, to), {
        method: 'PUT',
        headers: { 'content-type': manifestType },
        body: await manifest.text(),
      });
      if (!answer.ok) throw new Error(`the registry rejected the tag: ${answer.status}`);
    },
  };
}

/** A proxy of the real registry, reachable from this machine and its nodes. */
export interface FaultyRegistry extends AsyncDisposable {
  readonly host: string;
  /** The number of pulls so far, the refused ones included. */
  readonly pulls: number;
}

/** Shorter than the time that a node waits after a failed pull, longer than between requests of one. */
const betweenPullsMs = 5_000;

/** Nodes keep the images that they pull, under this port. With another port each time they pile up. */
const faultyPort = 5017;

export interface RegistryFaults {
  /** The status of the refused pulls. @defaultValue 503 */
  readonly status?: number;
  /** How many of the first pulls are refused. @defaultValue 0 */
  readonly refusedPulls?: number;
  /** No request is answered before it resolves. @defaultValue requests are answered at once */
  readonly silentUntil?: Promise<void>;
}

/** Starts a registry with these faults, which passes on all other requests. */
export async function faultyRegistry(
  { host }: KubeRegistry,
  { status = 503, refusedPulls = 0, silentUntil = Promise.resolve() }: RegistryFaults,
): Promise<FaultyRegistry> {
  let pulls = 0;
  let lastRequestAt = -Infinity;
  const server = createServer((incoming, answer) => {
    if (performance.now() - lastRequestAt > betweenPullsMs) pulls += 1;
    lastRequestAt = performance.now();
    if (pulls <= refusedPulls) {
      answer.writeHead(status).end();
      return;
    }
    const { method, url, headers } = incoming;
    void silentUntil.then(() => {
      const passed = request(`http://${host}${url ?? ''}`, { method, headers: { ...headers, host } }, (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
      });
      passed.on('error', () => answer.destroy());
      incoming.pipe(passed);
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(faultyPort, '127.0.0.1', resolve));
  return {
    host: `localhost:${faultyPort}`,
    get pulls() {
      return pulls;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
