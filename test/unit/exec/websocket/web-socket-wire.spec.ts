import { Socket } from 'node:net';

import { expect } from 'chai';
import { WebSocketWire } from '../../../../src/exec/websocket/web-socket-wire.ts';
import { DirectReading } from '../../../../src/internal/direct-reading.ts';
import { opcodes, serverFrame } from '../../../support/websocket-frames.ts';

describe('WebSocketWire', () => {
  it('delivers each message to its channel, wherever the bytes are cut', () => {
    const bytes = Buffer.concat(
      [1, 2].map((channel) => serverFrame(opcodes.binary, Buffer.from([channel, 10, 11, 12]))),
    );
    for (let at = 0; at <= bytes.length; at += 1) {
      const socket = new Socket();
      const received: Record<number, number[]> = { 1: [], 2: [] };
      const wire = new WebSocketWire(
        { socket, head: bytes.subarray(0, at), reading: new DirectReading() },
        {
          data: (channel, piece) => received[channel]?.push(...piece),
          closed: () => undefined,
        },
        () => undefined,
      );
      wire.start();
      socket.emit('data', bytes.subarray(at));
      wire.terminate();
      expect(received, `cut at ${at}`).to.deep.equal({ 1: [10, 11, 12], 2: [10, 11, 12] });
    }
  });
});
