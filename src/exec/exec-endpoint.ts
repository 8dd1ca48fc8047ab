/**
 * Where and how to open one exec: what `src/kubernetes/` hands over, with credentials that are fresh at the time of the call.
 *
 * @public
 */
export interface ExecEndpoint {
  /** `wss://…/exec?…`, complete; never logged with its query. */
  readonly url: string;
  /** The headers of the request, with the credentials. Never logged. */
  readonly headers: Readonly<Record<string, string>>;
  /** The TLS settings of the connection. */
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
