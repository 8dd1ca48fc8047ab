import type { IncomingHttpHeaders } from 'node:http';

import { readStatusWords } from '../../internal/status-words.ts';
import type { WireProtocol } from '../exec-wire.ts';
import { type HandshakeAnswer, isOfContainer } from '../handshake-failure.ts';
import { requestUpgrade, type UpgradeOffer } from '../upgrade-request.ts';
import { SpdyWire } from './spdy-wire.ts';

/** Kubernetes' name for the format of the status, the same as over WebSocket. */
const streamProtocol = 'v4.channel.k8s.io';

const offer: UpgradeOffer = {
  method: 'POST',
  headers: { 'X-Stream-Protocol-Version': streamProtocol, Upgrade: 'SPDY/3.1' },
  problemOf: (headers) => {
    const detail = problemOf(headers);
    return detail === undefined ? undefined : { of: 'protocol', detail };
  },
  open: (upgraded, handlers) => new SpdyWire(upgraded, handlers),
};

/** SPDY/3.1, the protocol that the components of Kubernetes use among themselves. */
export const spdyProtocol: WireProtocol = {
  name: 'SPDY/3.1',
  request: (target, handlers) => requestUpgrade(target, offer, handlers),
  isUnknown,
};

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
