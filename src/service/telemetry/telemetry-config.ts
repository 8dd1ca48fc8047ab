/** The part of the service's configuration that `startTelemetry` reads. */
export interface TelemetryConfig {
  readonly worker: { readonly name: string; readonly namespace?: string | undefined };
  readonly telemetry: {
    readonly otlp: {
      /** The base URL of an OTLP receiver. Spans and metrics are exported only with it. */
      readonly endpoint?: string | undefined;
      /** A file with one `name: value` header a line, read before each export. */
      readonly headersFile?: string | undefined;
    };
    /** Whether spans are exported. @defaultValue true */
    readonly traces?: boolean | undefined;
  };
}

/** The levels of the log, from the most to the least detailed. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** The part of the service's configuration that `serviceLogger` reads. */
export interface LoggingConfig {
  readonly logging: { readonly level: LogLevel; readonly format: 'json' | 'text' };
}
