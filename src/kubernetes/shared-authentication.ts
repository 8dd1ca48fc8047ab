import { createHash } from 'node:crypto';
import type { RequestOptions } from 'node:https';

import type { KubeConfig, RequestContext, SecurityAuthentication } from '@kubernetes/client-node';

type Dispatcher = ReturnType<RequestContext['getDispatcher']>;

/**
 * Authenticates requests with a configuration's credentials as they are now. client-node makes connections anew for each call; here all calls share
 * them, for as long as certificates and proxy stay the same.
 */
export class SharedAuthentication implements SecurityAuthentication {
  readonly #kubeConfig: KubeConfig;
  #shared: { readonly key: string; readonly dispatcher: Dispatcher } | undefined;

  constructor(kubeConfig: KubeConfig) {
    this.#kubeConfig = kubeConfig;
  }

  getName(): string {
    return 'kubeconfig';
  }

  async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await this.#kubeConfig.applySecurityAuthentication(context);
    const key = await this.#connectionKey();
    this.#shared = this.#shared?.key === key ? this.#shared : { key, dispatcher: context.getDispatcher() };
    if (this.#shared.dispatcher !== undefined) context.setDispatcher(this.#shared.dispatcher);
  }

  /** Changes when anything changes that a connection is made with. */
  async #connectionKey(): Promise<string> {
    const options: RequestOptions = {};
    await this.#kubeConfig.applyToHTTPSOptions(options);
    const { ca, cert, key, rejectUnauthorized, servername } = options;
    const cluster = this.#kubeConfig.getCurrentCluster();
    const parts = [ca, cert, key, rejectUnauthorized, servername, cluster?.server, cluster?.proxyUrl];
    return createHash('sha256')
      .update(JSON.stringify(parts.map(String)))
      .digest('hex');
  }
}
