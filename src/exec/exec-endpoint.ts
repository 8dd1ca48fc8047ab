/**
 * Where and how to open one exec. `src/kubernetes/` creates it, with credentials that are fresh at
 * the time of the call.
 *
 * @public
 */
export interface ExecEndpoint {
  /** `wss://…/exec?…`, complete. Never logged with its query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: ExecTls;
  /**
   * The URL of the proxy: `http`, `https` or `socks5`. It may contain a password, and is never
   * logged.
   */
  readonly proxy?: string | undefined;
}

/**
 * The cluster's configuration for `node:tls`.
 *
 * @public
 */
export interface ExecTls {
  readonly ca?: string | Buffer | undefined;
  readonly cert?: string | Buffer | undefined;
  readonly key?: string | Buffer | undefined;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
}
