import type { Logger } from '../../index.ts';
import { isLoopback } from '../config/loopback.ts';
import type { ServiceHealth } from '../serve/service-state.ts';
import { metricsContentType } from '../telemetry/telemetry.ts';
import { bearerToken, withoutToken } from './access/access-control.ts';
import { TokenFile } from './access/token-file.ts';
import { TokenReviews } from './access/token-reviews.ts';
import type { HttpLimits } from './http/http-limits.ts';
import { HttpServer } from './http/http-server.ts';
import type { Authorize, Reply } from './http/request.ts';
import { statusServerRoutes } from './routes/routes.ts';

/** The section `status` of the configuration. */
export interface StatusServerConfig {
  /** The address to listen on. */
  readonly host: string;
  /** The port to listen on; 0 for any that is free. */
  readonly port: number;
  /**
   * Who may use the API; probes are open. `none`: every program of this machine, and no client where
   * the address is not loopback. `token`: a token of `tokenFile`. `tokenReview`: a user of the cluster who
   * may get `pods/log` in the worker's namespace.
   */
  readonly auth: 'none' | 'token' | 'tokenReview';
  /** Required for `token`. */
  readonly tokenFile?: string | undefined;
  /** Whether `none` accepts every request on an address that is not loopback. @defaultValue false */
  readonly allowUnauthenticated?: boolean | undefined;
}

export interface StatusServerOptions {
  readonly config: StatusServerConfig;
  readonly health: ServiceHealth;
  /** The version of the package. */
  readonly version: string;
  readonly logger: Pick<Logger, 'warn' | 'error'>;
  /** @defaultValue the time since the start of the process */
  readonly uptimeMs?: (() => number) | undefined;
  /** @defaultValue 16 */
  readonly maxLogStreams?: number | undefined;
  /** @defaultValue `defaultLimits` */
  readonly limits?: Partial<HttpLimits> | undefined;
}

/** Starts the server of probes and of the API. Resolves when it listens. */
export async function startStatusServer(options: StatusServerOptions): Promise<HttpServer> {
  const { config, health, version, logger, limits, maxLogStreams = 16 } = options;
  const uptimeMs = options.uptimeMs ?? ((): number => performance.now());
  return await HttpServer.start({
    host: config.host,
    port: config.port,
    routes: statusServerRoutes({ health, version, uptimeMs, maxLogStreams }),
    authorize: authorizeBy(options),
    limits,
    logger,
  });
}

/** The section `metrics` of the configuration. */
export interface MetricsServerConfig {
  readonly host: string;
  readonly port: number;
}

export interface MetricsServerOptions {
  readonly config: MetricsServerConfig;
  /** Returns the metrics in the text format of Prometheus. */
  readonly metricsText: () => Promise<string>;
  readonly logger: Pick<Logger, 'warn'>;
  /** @defaultValue `defaultLimits` */
  readonly limits?: Partial<HttpLimits> | undefined;
}

/** Starts the server of `/metrics`. Resolves when it listens. */
export async function startMetricsServer({
  config: { host, port },
  metricsText,
  logger,
  limits,
}: MetricsServerOptions): Promise<HttpServer> {
  const handler = async (): Promise<Reply> => ({
    status: 200,
    content: { text: await metricsText(), type: metricsContentType },
  });
  // Guarded, so that a limited number of scrapes runs at once.
  return await HttpServer.start({
    host,
    port,
    routes: [{ path: '/metrics', access: 'guarded', handler }],
    logger,
    limits,
  });
}

function authorizeBy({ config, health, logger }: StatusServerOptions): Authorize {
  const { auth, host, tokenFile, allowUnauthenticated = false } = config;
  if (auth === 'none') return isLoopback(host) || !allowUnauthenticated ? withoutToken(host) : async () => {};
  if (auth === 'tokenReview') {
    const reviews = new TokenReviews({ worker: () => health.worker, logger });
    return bearerToken((token) => reviews.check(token));
  }
  if (tokenFile === undefined) throw new Error('status.tokenFile is required for status.auth: token');
  const file = new TokenFile({ path: tokenFile, logger });
  return bearerToken((token) => file.check(token));
}
