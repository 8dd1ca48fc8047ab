import type { Logger } from '../../index.ts';
import { isLoopback } from '../config/loopback.ts';
import type { MetricsSection, StatusSection } from '../config/sections/service.ts';
import type { ServiceHealth } from '../serve/service-state.ts';
import { metricsContentType } from '../telemetry/telemetry.ts';
import { bearerToken, withoutToken } from './access/access-control.ts';
import { TokenFile } from './access/token-file.ts';
import { TokenReviews } from './access/token-reviews.ts';
import type { HttpLimits } from './http/http-limits.ts';
import { HttpServer } from './http/http-server.ts';
import type { Authorize, Reply } from './http/request.ts';
import { statusServerRoutes } from './routes/routes.ts';

export interface StatusServerOptions {
  readonly config: StatusSection;
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

export interface MetricsServerOptions {
  readonly config: MetricsSection;
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
  const { auth, host, tokenFile, allowUnauthenticated } = config;
  if (auth === 'none') return isLoopback(host) || !allowUnauthenticated ? withoutToken(host) : async () => {};
  if (auth === 'tokenReview') {
    const reviews = new TokenReviews({ worker: () => health.worker, logger });
    return bearerToken((token) => reviews.check(token));
  }
  if (tokenFile === undefined) throw new Error('status.tokenFile is required for status.auth: token');
  const file = new TokenFile({ path: tokenFile, logger });
  return bearerToken((token) => file.check(token));
}
