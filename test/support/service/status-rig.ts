import type { IncomingMessage } from 'node:http';

import { FakeWorker } from '../../../fakes/index.ts';
import type { CheckResult, Probe, ServiceHealth, ServicePhase } from '../../../src/service/serve/service-state.ts';
import { defaultLimits } from '../../../src/service/status/http/http-limits.ts';
import type { Authorize, Reply } from '../../../src/service/status/http/request.ts';
import { RequestHandler } from '../../../src/service/status/http/request-handler.ts';
import { Router } from '../../../src/service/status/http/router.ts';
import type { StatusContext } from '../../../src/service/status/routes/context.ts';
import { statusServerRoutes } from '../../../src/service/status/routes/routes.ts';
import { OpenApi } from './openapi.ts';

/** The state of a service, which a test sets. */
export class ScriptedHealth implements ServiceHealth {
  phase: ServicePhase = 'running';
  readonly startedAt = Date.UTC(2030, 0, 1);
  worker: FakeWorker | undefined = new FakeWorker();
  checks: readonly CheckResult[] = [{ name: 'database', isRequired: true, ok: true, detail: 'answers', ageMs: 5 }];

  constructor() {
    const places = { used: 0, waiting: 0, limit: 32 };
    const worker = this.worker!;
    worker.leadership.returns({ role: 'follower', confirmedAt: new Date(this.startedAt) });
    worker.controllers.returns([]);
    worker.load.returns({
      uploads: places,
      downloads: places,
      attachments: places,
      controls: places,
      quotaQueue: { waiting: 0, limit: 1_000 },
    });
  }

  probe(_name: Probe): { readonly ok: boolean; readonly checks: readonly CheckResult[] } {
    return { ok: this.checks.every(({ ok }) => ok), checks: this.checks };
  }
}

/** A response without a server. */
export interface RigReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed JSON, or the text. */
  readonly body: ReturnType<typeof JSON.parse>;
}

interface RigOptions {
  readonly authorize?: Authorize;
  readonly maxConcurrent?: number;
  readonly handlerTimeoutMs?: number;
}

/** The routes of the status server over a fake worker. Every response is held against the description. */
export class StatusRig {
  readonly health: ScriptedHealth = new ScriptedHealth();
  readonly worker: FakeWorker;
  readonly context: StatusContext;
  readonly errors: unknown[] = [];
  readonly #handler: RequestHandler;
  readonly #router: Router;
  readonly #openApi: OpenApi;

  static async create(options: RigOptions = {}) {
    return new StatusRig(await OpenApi.load(), options);
  }

  private constructor(
    openApi: OpenApi,
    { authorize = async () => {}, maxConcurrent = 64, handlerTimeoutMs = 1_000 }: RigOptions,
  ) {
    this.#openApi = openApi;
    this.worker = this.health.worker!;
    this.context = { health: this.health, version: '1.2.3', uptimeMs: () => 90_500, maxLogStreams: 2 };
    const routes = statusServerRoutes(this.context);
    this.#router = new Router(routes);
    const limits = { ...defaultLimits, maxConcurrent, handlerTimeoutMs };
    const onError = (error: unknown): void => void this.errors.push(error);
    this.#handler = new RequestHandler({ routes, authorize, limits, onError });
  }

  /** Sends a request to the handlers. Throws if the response does not match the description of the API. */
  async ask(
    url: string,
    { method = 'GET', headers = {} }: { readonly method?: string; readonly headers?: Record<string, string> } = {},
  ): Promise<RigReply> {
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    let body: unknown;
    let type = '';
    const send = async (reply: Reply): Promise<void> => {
      ({ body, type } = await bodyOf(reply));
      resolve(reply);
    };
    const request = { method, url, headers } as IncomingMessage;
    this.#handler.answer(request, new AbortController().signal, send).catch(reject);
    const { status, headers: sent = {} } = await promise;
    if (method === 'GET') this.#hold(url, { status, type, body });
    return { status, headers: sent, body };
  }

  #hold(url: string, seen: { readonly status: number; readonly type: string; readonly body: unknown }): void {
    let path: string;
    try {
      path = this.#router.match(url.split('?')[0]!).route.path;
    } catch {
      return;
    }
    const problems = this.#openApi.problems(path, seen);
    if (problems.length > 0) throw new Error(`not as in docs/openapi.yaml: ${problems.join('; ')}`);
  }
}

async function bodyOf({ content }: Reply): Promise<{ readonly body: unknown; readonly type: string }> {
  if ('json' in content) return { body: JSON.parse(JSON.stringify(content.json)), type: 'application/json' };
  if ('text' in content) return { body: content.text, type: content.type ?? 'text/plain' };
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.stream(new AbortController().signal)) chunks.push(chunk);
  return { body: Buffer.concat(chunks).toString(), type: content.type };
}
