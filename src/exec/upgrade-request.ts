import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';

import { DirectReading } from '../internal/direct-reading.ts';
import type { ExecWire, UpgradeHandlers, UpgradeRequest, WireHandlers } from './exec-wire.ts';
import { defaultPortOf, portOf, type UpgradeTarget } from './upgrade.ts';
import type { UpgradedSocket } from './wire-socket.ts';

/** What one request offers, and how to continue after the upgrade. */
export interface UpgradeOffer {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  /**
   * Returns what is wrong with an answer that switches: the selected protocol, or the whole answer.
   */
  problemOf(headers: IncomingHttpHeaders): { readonly of: 'protocol' | 'answer'; readonly detail: string } | undefined;
  open(upgraded: UpgradedSocket, handlers: WireHandlers): ExecWire;
}

/**
 * Sends the request for an upgrade, and reports its outcome to the handlers.
 *
 * @throws Error - a header is invalid
 */
export function requestUpgrade(target: UpgradeTarget, offer: UpgradeOffer, handlers: UpgradeHandlers): UpgradeRequest {
  const reading = new DirectReading();
  const request = sendRequest(target, offer, reading);
  request.on('error', (error) => handlers.failed(error));
  request.on('response', (answer) => handlers.refused(answer));
  request.on('upgrade', (answer, socket, head) => {
    const problem = offer.problemOf(answer.headers);
    if (problem?.of === 'protocol') handlers.mismatched(problem.detail);
    else if (problem !== undefined) handlers.failed(new Error(problem.detail));
    else handlers.switched(socket, (wireHandlers) => offer.open({ socket, head, reading }, wireHandlers));
  });
  return {
    destroy: () => {
      request.destroy();
      // After the upgrade, destroying the request leaves its socket open.
      request.socket?.destroy();
    },
  };
}

function sendRequest(target: UpgradeTarget, offer: UpgradeOffer, reading: DirectReading): ClientRequest {
  const { url, isSecure } = target;
  const options = {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: portOf(url),
    // Otherwise the header Host would contain the default port.
    defaultPort: defaultPortOf(url),
    path: url.pathname + url.search,
    method: offer.method,
    headers: { ...target.headers, ...offer.headers, Connection: 'Upgrade' },
    createConnection: target.connector(reading),
  };
  const request = isSecure ? httpsRequest(options) : httpRequest(options);
  request.end();
  return request;
}
