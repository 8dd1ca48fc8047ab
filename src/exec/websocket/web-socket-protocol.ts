import { createHash, randomBytes, randomFillSync } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

import type { UpgradedSocket, WireHandlers, WireOffer, WireProtocol } from '../exec-wire.ts';
import type { ExecProtocol } from '../protocol-order.ts';
import { WebSocketWire } from './web-socket-wire.ts';

/** What RFC 6455 (1.3) has both ends add to the key. */
const keySuffix = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** WebSocket with one sub-protocol of Kubernetes, offered alone. */
export class WebSocketProtocol implements WireProtocol {
  readonly name: ExecProtocol;

  constructor(name: ExecProtocol) {
    this.name = name;
  }

  offer(isSecure: boolean): WireOffer {
    const key = randomBytes(16).toString('base64');
    return {
      method: 'GET',
      headers: {
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': key,
        'Sec-WebSocket-Protocol': this.name,
        Upgrade: 'websocket',
      },
      // What Kubernetes answers where it doesn't know the sub-protocol; everybody who forbids something says what.
      isUnknown: ({ status, body }) => status === 403 && body === '',
      problemOf: (headers) => problemOf(headers, key, this.name),
      open: (upgraded: UpgradedSocket, handlers: WireHandlers) =>
        new WebSocketWire(upgraded, { ...handlers, mask: isSecure ? zeroMask : randomMask }),
    };
  }
}

function problemOf(headers: IncomingHttpHeaders, key: string, protocol: string): ReturnType<WireOffer['problemOf']> {
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return { of: 'answer', detail: 'the server switches to something else than WebSocket' };
  const accept = createHash('sha1')
    .update(key + keySuffix)
    .digest('base64');
  if (headers['sec-websocket-accept'] !== accept)
    return { of: 'answer', detail: 'the server has not answered this WebSocket key' };
  if (headers['sec-websocket-extensions'] !== undefined)
    return { of: 'answer', detail: 'the server uses a WebSocket extension that it was not offered' };
  const picked = headers['sec-websocket-protocol'];
  if (picked === undefined || picked === '') return { of: 'protocol', detail: 'the server picked no sub-protocol' };
  if (picked !== protocol)
    return { of: 'protocol', detail: 'the server picked a sub-protocol that it was not offered' };
  return undefined;
}

/** Masks keep what a page's script sends from being read as HTTP by a cache on the way. Within TLS nobody on the way reads (ADR 8). */
function zeroMask(mask: Buffer): void {
  mask.fill(0);
}

function randomMask(mask: Buffer): void {
  randomFillSync(mask);
}
