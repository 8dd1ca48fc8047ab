import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';

import { readStatusWords } from '../../internal/status-words.ts';
import { DirectReading } from '../direct-reading.ts';
import type { UpgradeHandlers, UpgradeRequest, WireProtocol } from '../exec-wire.ts';
import { type HandshakeAnswer, isOfContainer } from '../handshake-failure.ts';
import { defaultPortOf, portOf, type UpgradeTarget } from '../upgrade.ts';
import { SpdyWire } from './spdy-wire.ts';

/** Kubernetes' name for the format of the status, the same as over WebSocket. */
const streamProtocol = 'v4.channel.k8s.io';

/** SPDY/3.1, the protocol that Kubernetes' own components use among each other. */
export const spdyProtocol: WireProtocol = { name: 'SPDY/3.1', request: requestSpdy, isUnknown };

function requestSpdy(target: UpgradeTarget, handlers: UpgradeHandlers): UpgradeRequest {
  const reading = new DirectReading();
  const request = sendRequest(target, reading);
  request.on('error', (error) => handlers.failed(error));
  request.on('response', (answer) => handlers.refused(answer));
  request.on('upgrade', (answer, socket, head) => {
    const problem = problemOf(answer.headers);
    if (problem !== undefined) handlers.mismatched(problem);
    else handlers.switched(socket, (wireHandlers) => new SpdyWire({ socket, head, reading }, wireHandlers));
  });
  return {
    destroy: () => {
      request.destroy();
      // After the upgrade, destroying the request leaves its socket open.
      request.socket?.destroy();
    },
  };
}

function sendRequest({ url, isSecure, headers, connector }: UpgradeTarget, reading: DirectReading): ClientRequest {
  const options = {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: portOf(url),
    // Otherwise the header Host would contain the default port.
    defaultPort: defaultPortOf(url),
    path: url.pathname + url.search,
    method: 'POST',
    headers: { ...headers, 'X-Stream-Protocol-Version': streamProtocol, Upgrade: 'SPDY/3.1', Connection: 'Upgrade' },
    createConnection: connector(reading),
  };
  const request = isSecure ? httpsRequest(options) : httpRequest(options);
  request.end();
  return request;
}

function problemOf(headers: IncomingHttpHeaders): string | undefined {
  if (headers.upgrade?.toLowerCase() !== 'spdy/3.1') return 'the server switches to another protocol than SPDY/3.1';
  if (headers['x-stream-protocol-version'] !== streamProtocol) return `the server does not speak ${streamProtocol}`;
  return undefined;
}

/**
 * Kubernetes answers that it does not support an upgrade, or forbids the verb of this request,
 * while the verb of the WebSocket request may be allowed. Any answer that is not a Kubernetes
 * status comes from a proxy, which may let WebSocket pass.
 */
function isUnknown({ status, body }: HandshakeAnswer): boolean {
  if (status < 400 || status === 401 || status === 429) return false;
  const words = readStatusWords(body);
  if (words === undefined) return !isOfContainer(body);
  return [403, 405, 426, 501].includes(status) || (status === 400 && /upgrade/i.test(words.message));
}
