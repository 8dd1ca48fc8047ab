import type { ServiceConfig } from '../config/config.ts';

/** The part of the service's configuration that `startTelemetry` reads. */
export interface TelemetryConfig extends Pick<ServiceConfig, 'telemetry'> {
  readonly worker: Pick<ServiceConfig['worker'], 'name' | 'namespace'>;
}

/** The part of the service's configuration that `serviceLogger` reads. */
export type LoggingConfig = Pick<ServiceConfig, 'logging'>;

/** The levels of the log, from the most to the least detailed. */
export type LogLevel = ServiceConfig['logging']['level'];
