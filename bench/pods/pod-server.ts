import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const pageSize = 500;

/** Returns a pod as an API server stores it: a running pod of this library, with managed fields. */
function podOf(index: number, version: number): object {
  const time = '2030-01-02T03:04:05Z';
  const fields = Object.fromEntries(
    Array.from({ length: 60 }, (_, field) => [`f:field-${String(field)}`, { '.': {}, 'f:name': {}, 'f:value': {} }]),
  );
  return {
    metadata: {
      name: `step-${String(index)}`,
      namespace: 'ci',
      uid: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
      resourceVersion: String(version),
      creationTimestamp: time,
      labels: { 'kubernetes-worker/worker': 'ci', 'kubernetes-worker/handle': `handle-${String(index)}` },
      annotations: { 'kubernetes-worker/pipeline': 'main', 'kubernetes-worker/job': `job-${String(index)}` },
      managedFields: [{ manager: 'node', operation: 'Update', apiVersion: 'v1', time, fieldsV1: fields }],
    },
    spec: {
      nodeName: `node-${String(index % 50)}`,
      restartPolicy: 'Always',
      containers: [
        {
          name: 'main',
          image: 'node:24',
          command: ['/.kw-agent/agent', 'serve', '/.kw'],
          volumeMounts: Array.from({ length: 6 }, (_, mount) => ({
            name: 'kw-state',
            mountPath: `/m${String(mount)}`,
          })),
        },
      ],
      volumes: [{ name: 'kw-state', emptyDir: {} }],
      tolerations: [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }],
    },
    status: {
      phase: 'Running',
      startTime: time,
      conditions: ['PodScheduled', 'Initialized', 'ContainersReady', 'Ready'].map((type) => ({
        type,
        status: 'True',
        lastTransitionTime: time,
      })),
      containerStatuses: [
        {
          name: 'main',
          image: 'node:24',
          imageID: `sha256:${'0'.repeat(64)}`,
          containerID: `containerd://${'0'.repeat(64)}`,
          restartCount: 0,
          ready: true,
          state: { running: { startedAt: time } },
        },
      ],
    },
  };
}

/**
 * An API server that has only pods: a list in pages, and a watch. `POST /change` changes the pod
 * `step-7`.
 */
export class PodServer implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #count: number;
  readonly #watches = new Set<ServerResponse>();
  #version = 1;

  private constructor(server: Server, count: number) {
    this.#server = server;
    this.#count = count;
    this.url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response));
  }

  static async start(count: number): Promise<PodServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new PodServer(server, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #change(): void {
    this.#version += 1;
    const event = `${JSON.stringify({ type: 'MODIFIED', object: podOf(7, this.#version) })}\n`;
    for (const watch of this.#watches) watch.write(event);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (request.method === 'POST') {
      this.#change();
      response.end();
      return;
    }
    const { searchParams } = new URL(request.url ?? '', this.url);
    response.setHeader('content-type', 'application/json');
    if (searchParams.has('watch')) {
      this.#watches.add(response);
      response.once('close', () => this.#watches.delete(response));
      response.flushHeaders();
      return;
    }
    const from = Number(searchParams.get('continue') ?? 0);
    const isPaged = searchParams.has('limit');
    const to = isPaged ? Math.min(from + pageSize, this.#count) : this.#count;
    const items = Array.from({ length: to - from }, (_, index) => podOf(from + index, this.#version));
    const metadata = {
      resourceVersion: String(this.#version),
      ...(to < this.#count ? { continue: String(to) } : {}),
    };
    response.end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata, items }));
  }
}
