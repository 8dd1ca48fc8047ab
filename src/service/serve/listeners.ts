import type { Logger } from '../../index.ts';
import { codeOf } from '../error-facts.ts';

/** A server of the daemon that listens. */
export interface Listener {
  readonly url: string;
  close(options: { readonly graceMs: number }): Promise<void>;
}

/** How one listener starts. */
export interface ListenerPlan {
  /** For operators, such as `the status server`. */
  readonly name: string;
  /** The section of the configuration with its address. */
  readonly section: string;
  readonly host: string;
  readonly port: number;
  readonly start: () => Promise<Listener>;
}

/** A listener cannot use its address. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/**
 * Starts all listeners, or none.
 *
 * @throws ListenError if an address cannot be used; it names the address and the key
 */
export async function startListeners(
  plans: readonly ListenerPlan[],
  logger: Pick<Logger, 'info'>,
): Promise<readonly Listener[]> {
  const started: Listener[] = [];
  try {
    for (const plan of plans) {
      const listener = await start(plan);
      started.push(listener);
      logger.info(`${plan.name} listens`, { url: listener.url });
    }
    return started;
  } catch (error) {
    await Promise.all(started.map((listener) => listener.close({ graceMs: 0 })));
    throw error;
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'the port needs privileges',
  ENOTFOUND: 'the name of the host is unknown',
};

async function start({ name, section, host, port, start: begin }: ListenerPlan): Promise<Listener> {
  try {
    return await begin();
  } catch (error) {
    const reason = reasons[codeOf(error) ?? ''];
    if (reason === undefined) throw error;
    const advice = `set ${section}.host or ${section}.port to an address that is free`;
    throw new ListenError(`${name} cannot listen on ${host}, port ${port}: ${reason}; ${advice}`, { cause: error });
  }
}
