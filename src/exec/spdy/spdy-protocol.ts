import { readStatusWords } from '../../internal/status-words.ts';
import type { WireProtocol } from '../exec-wire.ts';
import { type HandshakeAnswer, isOfContainer } from '../handshake-failure.ts';
import { SpdyWire } from './spdy-wire.ts';

/** What Kubernetes' servers say of how a status looks; the same as over WebSocket. */
const streamProtocol = 'v4.channel.k8s.io';

/** SPDY/3.1, which Kubernetes' own parts speak among each other. */
export const spdyProtocol: WireProtocol = {
  name: 'SPDY/3.1',
  offer: () => ({
    method: 'POST',
    headers: { 'X-Stream-Protocol-Version': streamProtocol, Upgrade: 'SPDY/3.1' },
    isUnknown,
    problemOf: (headers) => {
      if (headers.upgrade?.toLowerCase() !== 'spdy/3.1')
        return { of: 'protocol', detail: 'the server switches to something else than SPDY/3.1' };
      if (headers['x-stream-protocol-version'] !== streamProtocol)
        return { of: 'protocol', detail: `the server does not speak ${streamProtocol}` };
      return undefined;
    },
    open: (upgraded, handlers) => new SpdyWire(upgraded, handlers),
  }),
};

/**
 * Kubernetes says that it has no use for an upgrade, or forbids the verb of this request, where that of another may be allowed. What is not Kubernetes' own word is a proxy's, which
 * may let WebSocket pass.
 */
function isUnknown({ status, body }: HandshakeAnswer): boolean {
  if (status < 400 || status === 401 || status === 429) return false;
  const said = readStatusWords(body);
  if (said === undefined) return !isOfContainer(body);
  return [403, 405, 426, 501].includes(status) || (status === 400 && /upgrade/i.test(said.message));
}
