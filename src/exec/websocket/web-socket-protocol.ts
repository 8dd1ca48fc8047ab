import { createHash, randomBytes, randomFillSync } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

import type { UpgradeHandlers, UpgradeRequest, WireProtocol } from '../exec-wire.ts';
import type { HandshakeAnswer } from '../handshake-failure.ts';
import type { ExecProtocol } from '../protocol-order.ts';
import type { UpgradeTarget } from '../upgrade.ts';
import { requestUpgrade, type UpgradeOffer } from '../upgrade-request.ts';
import { WebSocketWire } from './web-socket-wire.ts';

/** Both ends append this to the key (RFC 6455, 1.3). */
const keySuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** WebSocket with one sub-protocol of Kubernetes, offered alone. */
export class WebSocketProtocol implements WireProtocol {
  readonly name: ExecProtocol;

  constructor(name: ExecProtocol) {
    this.name = name;
  }

  request(target: UpgradeTarget, handlers: UpgradeHandlers): UpgradeRequest {
    const key = randomBytes(16).toString('base64');
    const mask = target.isSecure ? zeroMask : randomMask;
    const offer: UpgradeOffer = {
      method: 'GET',
      headers: {
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': key,
        'Sec-WebSocket-Protocol': this.name,
        Upgrade: 'websocket',
      },
      problemOf: (headers) => problemOf(headers, key, this.name),
      open: (upgraded, wireHandlers) => new WebSocketWire(upgraded, wireHandlers, mask),
    };
    return requestUpgrade(target, offer, handlers);
  }

  /** Kubernetes answers 403 without a body to an unknown sub-protocol. Any other 403 has a body. */
  isUnknown({ status, body }: HandshakeAnswer): boolean {
    return status === 403 && body === '';
  }
}

function problemOf(headers: IncomingHttpHeaders, key: string, protocol: string): ReturnType<UpgradeOffer['problemOf']> {
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return { of: 'answer', detail: 'the server switches to another protocol than WebSocket' };
  const accept = createHash('sha1')
    .update(key + keySuffix)
    .digest('base64');
  if (headers['sec-websocket-accept'] !== accept)
    return { of: 'answer', detail: 'the server has not answered this WebSocket key' };
  if (headers['sec-websocket-extensions'] !== undefined)
    return { of: 'answer', detail: 'the server uses a WebSocket extension that it was not offered' };
  const selected = headers['sec-websocket-protocol'];
  if (selected === undefined || selected === '')
    return { of: 'protocol', detail: 'the server selected no sub-protocol' };
  if (selected !== protocol)
    return { of: 'protocol', detail: 'the server selected a sub-protocol that it was not offered' };
  return undefined;
}

/**
 * Masks prevent a page's script from sending bytes that a cache on the way takes for HTTP. Within
 * TLS nothing on the way can read them (ADR 8).
 */
function zeroMask(mask: Buffer): void {
  mask.fill(0);
}

function randomMask(mask: Buffer): void {
  randomFillSync(mask);
}
