import { Socket } from 'node:net';

import { expect } from 'chai';

import { WebSocketWire } from '../../../../src/exec/websocket/web-socket-wire.ts';
import { opcodes, serverFrame } from '../../../support/websocket-frames.ts';

describe('the wire of a WebSocket', () => {
  it('tells where the payload of a message begins, wherever its bytes are cut', () => {
    const bytes = Buffer.concat(
      [1, 2].map((channel) => serverFrame(opcodes.binary, Buffer.from([channel, 10, 11, 12]))),
    );
    for (let at = 0; at <= bytes.length; at += 1) {
      const socket = new Socket();
      const begins: (readonly [number, number])[] = [];
      const received: number[] = [];
      const wire = new WebSocketWire(
        { socket, head: bytes.subarray(0, at) },
        {
          mask: () => undefined,
          data: (channel, piece, isFirst) => {
            if (isFirst) begins.push([channel, received.length]);
            received.push(...piece);
          },
          closed: () => undefined,
        },
      );
      wire.start();
      socket.emit('data', bytes.subarray(at));
      wire.terminate();
      expect({ begins, received }, `cut at ${at}`).to.deep.equal({
        begins: [
          [1, 0],
          [2, 3],
        ],
        received: [10, 11, 12, 10, 11, 12],
      });
    }
  });
});
