/**
 * Where and how to open one exec. `src/kubernetes/` creates it, with credentials that are fresh at
 * the time of the call.
 *
 * @public
 */
export interface ExecEndpoint {
  /** `wss://…/exec?…`, complete. Never logged with its query. */
  readonly url: string;
  /** The headers of the request, with the credentials. Never logged. */
  readonly headers: Readonly<Record<string, string>>;
  /** The TLS settings of the connection. */
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
  /** The certificate authority of the API server, in PEM. */
  readonly ca?: string | Buffer | undefined;
  /** The client certificate, in PEM. */
  readonly cert?: string | Buffer | undefined;
  /** The private key of the client certificate, in PEM. Never logged. */
  readonly key?: string | Buffer | undefined;
  /** The name to verify in the server's certificate. */
  readonly servername?: string | undefined;
  /** Whether the server's certificate is verified. */
  readonly rejectUnauthorized?: boolean | undefined;
}
