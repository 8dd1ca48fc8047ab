import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { CoreV1Api, KubeConfig, type V1Pod, type V1PodSpec } from '@kubernetes/client-node';
import WebSocket from 'ws';
import type { EmbeddedCluster } from '../../../src/embedded/index.ts';
import type { ContainerStatus, Pod, PodCondition } from '../../../src/embedded/objects/api-object.ts';

/** A received object, with the fields that specs read. A field may be missing in some kinds. */
export interface WireObject {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly deletionTimestamp?: string;
    readonly deletionGracePeriodSeconds?: number;
    readonly continue?: string;
    readonly creationTimestamp: string;
    readonly remainingItemCount?: number;
  };
  readonly data: Readonly<Record<string, string>>;
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly details: { readonly causes: readonly object[] };
  readonly status: { readonly allowed: boolean };
  readonly items: readonly WireObject[];
  readonly columnDefinitions: readonly { readonly name: string }[];
  readonly rows: readonly [{ readonly cells: readonly unknown[] }];
}

/** The status at the end of an exec. */
export interface WireStatus {
  readonly status: string;
  readonly message: string;
  readonly details: { readonly causes: readonly object[] };
}

/** A received pod. At first it has neither conditions nor states of containers. */
export type WirePod = Pod & {
  readonly status: Pod['status'] & { readonly containerStatuses?: readonly [ContainerStatus, ...ContainerStatus[]] };
};

/** A pod that is scheduled on a node. */
export type PlacedPod = Pod & {
  readonly status: Pod['status'] & {
    readonly containerStatuses: readonly [ContainerStatus, ...ContainerStatus[]];
    readonly conditions: readonly [PodCondition, ...PodCondition[]];
  };
};

export interface RawResponse {
  readonly code: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  readonly body: WireObject;
}

export interface RawRequest {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  /** Sends no token. */
  readonly anonymous?: boolean;
}

export interface ExecResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly status: WireStatus;
  readonly closeCode: number;
  readonly messages: readonly Buffer[];
}

export interface ExecRequest {
  readonly command: readonly string[];
  readonly container?: string;
  readonly namespace?: string;
  readonly protocol?: string;
  readonly stdin?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  readonly tty?: boolean;
}

/** An event of a watch. */
export interface WireEvent {
  readonly type: string;
  readonly object: WireObject;
}

/** A client for specs: raw requests, typed calls, watches and execs. */
export class ClusterClient {
  readonly api: CoreV1Api;
  readonly #cluster: Pick<EmbeddedCluster, 'kubeconfig' | 'url'>;
  readonly #authority: Buffer;
  readonly #token: string;

  constructor(cluster: Pick<EmbeddedCluster, 'kubeconfig' | 'url'>) {
    this.#cluster = cluster;
    const config = new KubeConfig();
    config.loadFromString(cluster.kubeconfig);
    this.api = config.makeApiClient(CoreV1Api);
    this.#authority = Buffer.from(config.getCurrentCluster()?.caData ?? '', 'base64');
    this.#token = config.getCurrentUser()?.token ?? '';
  }

  #options(path: string, { method = 'GET', headers = {}, anonymous = false }: RawRequest): RequestOptions {
    const { hostname, port } = new URL(this.#cluster.url);
    const token = anonymous ? {} : { authorization: `Bearer ${this.#token}` };
    return { hostname, port, path, method, headers: { ...token, ...headers }, ca: this.#authority, agent: false };
  }

  async raw(path: string, options: RawRequest = {}): Promise<RawResponse> {
    const { body } = options;
    const text = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      ...(text === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
      ...options.headers,
    };
    const sent = request(this.#options(path, { ...options, headers }));
    sent.end(text);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const received = Buffer.concat(chunks).toString();
    const json = response.headers['content-type'] === 'application/json' && !received.includes('}\n{');
    return {
      code: response.statusCode ?? 0,
      headers: response.headers,
      text: received,
      body: (json ? JSON.parse(received) : undefined) as WireObject,
    };
  }

  /** Yields the events of a watch until the consumer stops. */
  async *watch(path: string): AsyncGenerator<WireEvent> {
    const sent = request(this.#options(path, {}));
    sent.end();
    sent.on('error', () => undefined);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    try {
      let rest = '';
      for await (const chunk of response.setEncoding('utf8')) {
        const lines = (rest + String(chunk)).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) yield JSON.parse(line) as WireEvent;
      }
    } finally {
      sent.destroy();
    }
  }

  createPod(name: string, spec: V1PodSpec, namespace = 'default'): Promise<V1Pod> {
    return this.api.createNamespacedPod({ namespace, body: { metadata: { name }, spec } });
  }

  /** Creates a pod with one container `main` that runs a shell script. */
  runScript(name: string, script: string, more: Partial<V1PodSpec> = {}): Promise<V1Pod> {
    const { containers = [], ...rest } = more;
    const main = Object.assign(
      { name: 'main', image: 'registry.local/busybox:1', command: ['sh', '-c', script] },
      containers[0],
    );
    return this.createPod(name, {
      terminationGracePeriodSeconds: 0,
      ...rest,
      containers: [main, ...containers.slice(1)],
    });
  }

  /** Watches a pod until it satisfies `predicate`. */
  async podWhen(name: string, predicate: (pod: WirePod) => boolean, namespace = 'default'): Promise<PlacedPod> {
    for await (const { type, object } of this.watch(
      `/api/v1/namespaces/${namespace}/pods?watch=true&fieldSelector=metadata.name%3D${name}`,
    )) {
      if (type === 'DELETED') throw new Error(`pod ${name} was deleted`);
      const pod = object as unknown as PlacedPod;
      if (predicate(pod)) return pod;
    }
    throw new Error('the watch ended');
  }

  podInPhase(name: string, phase: string): Promise<unknown> {
    return this.podWhen(name, (pod) => pod.status.phase === phase);
  }

  connectExec(pod: string, options: ExecRequest): WebSocket {
    const query = new URLSearchParams();
    for (const word of options.command) query.append('command', word);
    if (options.container !== undefined) query.set('container', options.container);
    for (const stream of ['stdin', 'stdout', 'stderr', 'tty'] as const) {
      const wanted = options[stream] ?? (stream === 'stdout' || stream === 'stderr');
      if (wanted) query.set(stream, 'true');
    }
    const path = `/api/v1/namespaces/${options.namespace ?? 'default'}/pods/${pod}/exec?${query.toString()}`;
    return new WebSocket(
      `${this.#cluster.url.replace('https', 'wss')}${path}`,
      options.protocol ?? 'v5.channel.k8s.io',
      {
        ca: this.#authority,
        headers: { authorization: `Bearer ${this.#token}` },
        perMessageDeflate: false,
      },
    );
  }

  /** Runs a command to its end. `input` is its whole stdin. */
  async exec(pod: string, options: ExecRequest, input?: Buffer): Promise<ExecResult> {
    const socket = this.connectExec(pod, { ...options, stdin: options.stdin ?? input !== undefined });
    socket.on('open', () => {
      if (input === undefined) return;
      for (let at = 0; at < input.length; at += 65_536)
        socket.send(Buffer.concat([Buffer.of(0), input.subarray(at, at + 65_536)]));
      socket.send(Buffer.of(255, 0));
    });
    return collect(socket);
  }
}

/** Collects everything that an exec sends on its connection. */
export async function collect(socket: WebSocket): Promise<ExecResult> {
  const messages: Buffer[] = [];
  socket.on('message', (data) => messages.push(data as Buffer));
  const [closeCode] = (await once(socket, 'close')) as [number];
  const channel = (number: number) =>
    Buffer.concat(messages.filter((message) => message[0] === number).map((message) => message.subarray(1)));
  const status = channel(3).toString();
  return {
    stdout: channel(1),
    stderr: channel(2),
    status: (status === '' ? undefined : JSON.parse(status)) as WireStatus,
    closeCode,
    messages,
  };
}

/** Returns the response to a refused upgrade. */
export async function refusal(socket: WebSocket): Promise<{ code: number; text: string }> {
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { code: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() };
}
