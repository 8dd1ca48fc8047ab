import { expect } from 'chai';
import fc from 'fast-check';

import { FrameType, type WindowFrame } from '../../../../src/agent-client/wire/frame.ts';
import { ReceiveWindow } from '../../../../src/agent-client/wire/receive-window.ts';
import { SendWindow } from '../../../../src/agent-client/wire/send-window.ts';
import { ProtocolViolationError } from '../../../../src/errors/connection.ts';
import { rejection } from '../../../support/rejection.ts';
import { settle } from '../../../support/virtual-clock.ts';

function windowFrame(acknowledged: number, limit: number): WindowFrame {
  return { type: FrameType.WINDOW, stream: 0, acknowledged, limit, durable: false };
}

function data(offset: number, rawLength: number) {
  return { type: FrameType.DATA, stream: 1, offset, rawLength, encoding: 'raw', bytes: Buffer.alloc(0) } as const;
}

describe('SendWindow', () => {
  it('grants nothing before the first WINDOW', async () => {
    const window = new SendWindow(10);
    let granted: number | undefined;
    void window.reserve(5).then((count) => (granted = count));
    await settle();
    expect(granted).to.equal(undefined);
    window.update(windowFrame(10, 100));
    await settle();
    expect(granted).to.equal(5);
    expect(window.sent).to.equal(15);
  });

  it('waits for a fair part of the window instead of granting small rests', async () => {
    const window = new SendWindow(0);
    window.update(windowFrame(0, 100));
    expect(await window.reserve(90)).to.equal(90);
    let granted: number | undefined;
    void window.reserve(50).then((count) => (granted = count));
    await settle();
    expect(granted).to.equal(undefined);
    window.update(windowFrame(30, 130));
    await settle();
    expect(granted).to.equal(40);
  });

  it('never stalls against a receiver that acknowledges each quarter, and never exceeds its limit', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 1000 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 20 }),
        async (windowBytes, sizes) => {
          const window = new SendWindow(0);
          window.update(windowFrame(0, windowBytes));
          let acknowledged = 0;
          for (const bytes of sizes) {
            for (let left = bytes; left > 0; ) {
              const granted = await window.reserve(left);
              left -= granted;
              expect(window.sent).to.be.at.most(acknowledged + windowBytes);
              if (window.sent - acknowledged < windowBytes / 4) continue;
              acknowledged = window.sent;
              window.update(windowFrame(acknowledged, acknowledged + windowBytes));
            }
          }
        },
      ),
    );
  });

  it('rejects a decrease, and an acknowledgement of bytes that were not sent', async () => {
    const window = new SendWindow(0);
    window.update(windowFrame(0, 100));
    await window.reserve(50);
    window.update(windowFrame(50, 100));
    expect(() => window.update(windowFrame(49, 100))).to.throw(ProtocolViolationError);
    expect(() => window.update(windowFrame(50, 99))).to.throw(ProtocolViolationError);
    expect(() => window.update(windowFrame(51, 200))).to.throw(ProtocolViolationError);
    expect(window.acknowledged).to.equal(50);
  });

  it('settles a waiting reserve when it is closed or fails', async () => {
    const closed = new SendWindow(0);
    const waiting = closed.reserve(1);
    closed.close();
    expect(await waiting).to.equal(0);
    const failed = new SendWindow(0);
    const other = rejection(failed.reserve(1));
    const reason = new Error('lost');
    failed.fail(reason);
    expect(await other).to.equal(reason);
    expect(await rejection(failed.reserve(1))).to.equal(reason);
  });
});

describe('ReceiveWindow', () => {
  let sent: WindowFrame[];
  let window: ReceiveWindow;

  beforeEach(() => {
    sent = [];
    window = new ReceiveWindow({ stream: 1, from: 100, windowBytes: 1000, send: (frame) => sent.push(frame) });
  });

  it('sends its whole size first', () => {
    expect(sent).to.deep.equal([{ type: FrameType.WINDOW, stream: 1, acknowledged: 100, limit: 1100, durable: false }]);
  });

  it('acknowledges a consumed quarter', () => {
    window.accept(data(100, 500));
    window.consumed(349);
    expect(sent).to.have.length(1);
    window.consumed(350);
    expect(sent.at(-1)).to.include({ acknowledged: 350, limit: 1350 });
    window.consumed(500);
    expect(sent).to.have.length(2);
  });

  it('acknowledges each MiB of a large window', () => {
    const large = new ReceiveWindow({ stream: 1, from: 0, windowBytes: 64 << 20, send: (frame) => sent.push(frame) });
    large.accept(data(0, 200_000));
    large.consumed((1 << 20) - 1);
    expect(sent).to.have.length(2);
    large.consumed(1 << 20);
    expect(sent).to.have.length(3);
  });

  it('rejects bytes that do not continue the stream, or exceed the limit', () => {
    window.accept(data(100, 10));
    for (const offset of [100, 109, 111])
      expect(() => window.accept(data(offset, 1))).to.throw(ProtocolViolationError, 'continues at');
    window.accept(data(110, 990));
    expect(() => window.accept(data(1100, 1))).to.throw(ProtocolViolationError, 'beyond its limit');
    window.consumed(1100);
    window.accept(data(1100, 1000));
    expect(() => window.accept(data(2100, 1))).to.throw(ProtocolViolationError, 'beyond its limit');
  });

  it('reports stored bytes, and never decreases the limit', () => {
    window.accept(data(100, 500));
    window.consumed(600);
    window.stored(600);
    expect(sent.at(-1)).to.deep.equal({
      type: FrameType.WINDOW,
      stream: 1,
      acknowledged: 600,
      limit: 1600,
      durable: true,
    });
  });
});
