/**
 * Where and how to open one exec: what `src/kubernetes/` hands over, with credentials that are fresh at the time of the call.
 *
 * @public
 */
export interface ExecEndpoint {
  /** `wss://…/exec?…`, complete; never logged with its query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: ExecTls;
  /** The URL of the proxy to go through: `http`, `https` or `socks5`. May have a password; never logged. */
  readonly proxy?: string | undefined;
}

/**
 * What `node:tls` needs of the cluster's configuration.
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
