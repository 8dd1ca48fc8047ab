import { expect } from 'chai';
import fc from 'fast-check';

import { ProtocolViolationError } from '../../../../src/errors/connection.ts';
import { FrameParser } from '../../../../src/exec/websocket/frame-parser.ts';
import { opcodes, serverFrame } from '../../../support/websocket-frames.ts';

describe('FrameParser', () => {
  /** The delivered pieces of each message. */
  let messages: Buffer[][];
  let others: string[];
  let parser: FrameParser;

  beforeEach(() => {
    messages = [];
    others = [];
    parser = new FrameParser({
      data: (bytes, isFirst) => {
        if (isFirst) messages.push([]);
        messages.at(-1)?.push(bytes);
      },
      ping: (payload) => others.push(`ping ${payload.toString()}`),
      close: (code, reason) => others.push(`close ${code} ${reason.toString()}`),
    });
  });

  const whole = (): string[] => messages.map((parts) => Buffer.concat(parts).toString('latin1'));

  it('delivers every byte of every message once, in order, wherever the bytes are cut and however the messages are fragmented', () => {
    const message = fc.record({
      payload: fc.uint8Array({ minLength: 1, maxLength: 400 }),
      fragmentBytes: fc.integer({ min: 1, max: 500 }),
      ping: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), fc.integer({ min: 1, max: 90 }), (sent, cutBytes) => {
        messages = [];
        others = [];
        const wire = Buffer.concat(
          sent.flatMap(({ payload, fragmentBytes, ping }) => {
            const frames: Buffer[] = [];
            for (let at = 0; at < payload.length; at += fragmentBytes) {
              const opcode = at === 0 ? opcodes.binary : opcodes.continuation;
              frames.push(
                serverFrame(
                  opcode,
                  Buffer.from(payload.subarray(at, at + fragmentBytes)),
                  at + fragmentBytes >= payload.length,
                ),
              );
              // Control frames may come between the fragments.
              if (ping) frames.push(serverFrame(opcodes.ping, Buffer.from('?')));
            }
            return frames;
          }),
        );
        for (let at = 0; at < wire.length; at += cutBytes) parser.push(wire.subarray(at, at + cutBytes));
        expect(whole()).to.deep.equal(sent.map(({ payload }) => Buffer.from(payload).toString('latin1')));
      }),
    );
  });

  for (const size of [125, 126, 65_535, 65_536, 1_000_000])
    it(`reads the length of a frame of ${String(size)} bytes`, () => {
      parser.push(
        Buffer.concat([
          serverFrame(opcodes.binary, Buffer.alloc(size, 'x')),
          serverFrame(opcodes.binary, Buffer.from('next')),
        ]),
      );
      expect(whole()).to.deep.equal(['x'.repeat(size), 'next']);
    });

  it('delivers data as it arrives, without a copy', () => {
    const frame = serverFrame(opcodes.binary, Buffer.from('abc'));
    parser.push(frame.subarray(0, frame.length - 1));
    expect(whole()).to.deep.equal(['ab']);
    expect(messages[0]?.[0]?.buffer).to.equal(frame.buffer);
    parser.push(frame.subarray(frame.length - 1));
    expect(whole()).to.deep.equal(['abc']);
  });

  it('ignores empty messages, first fragments and last fragments', () => {
    for (const [opcode, text, isFinal] of [
      [opcodes.binary, '', true],
      [opcodes.binary, '', false],
      [opcodes.continuation, 'a', false],
      [opcodes.continuation, '', true],
      [opcodes.binary, 'b', true],
    ] as const)
      parser.push(serverFrame(opcode, Buffer.from(text), isFinal));
    expect(whole()).to.deep.equal(['a', 'b']);
  });

  it('discards texts, whole or in fragments', () => {
    parser.push(serverFrame(opcodes.text, Buffer.from('text')));
    parser.push(serverFrame(opcodes.text, Buffer.from('te'), false));
    parser.push(serverFrame(opcodes.continuation, Buffer.from('xt')));
    parser.push(serverFrame(opcodes.binary, Buffer.from('a')));
    expect(whole()).to.deep.equal(['a']);
  });

  it('delivers complete pings and closes, and ignores pongs', () => {
    for (const byte of serverFrame(opcodes.ping, Buffer.from('hello'))) parser.push(Buffer.from([byte]));
    parser.push(serverFrame(opcodes.pong, Buffer.from('hello')));
    parser.push(serverFrame(opcodes.close, Buffer.from('\u0003\u00f3gone', 'latin1')));
    parser.push(serverFrame(opcodes.close, Buffer.alloc(0)));
    expect(others).to.deep.equal(['ping hello', 'close 1011 gone', 'close 1005 ']);
  });

  const frame = (opcode: number, isFinal = true): Buffer => serverFrame(opcode, Buffer.from('x'), isFinal);
  const wrong: readonly [string, Buffer[]][] = [
    ['a mask', [Buffer.from([0x82, 0x81, 0, 0, 0, 0, 1])]],
    ['an extension', [Buffer.from([0xc2, 1, 1])]],
    ['an unknown data frame', [frame(3)]],
    ['an unknown control frame', [frame(11)]],
    ['a control frame in fragments', [frame(opcodes.ping, false)]],
    ['a control frame that is too long', [serverFrame(opcodes.ping, Buffer.alloc(126))]],
    ['a continuation of nothing', [frame(opcodes.continuation)]],
    ['a message within a message', [frame(opcodes.binary, false), frame(opcodes.binary)]],
    ['a frame above 33 MiB', [Buffer.from([0x82, 127, 0, 0, 0, 0, 2, 0x10, 0, 1])]],
    ['a length above any memory', [Buffer.from([0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0])]],
  ];
  for (const [name, frames] of wrong)
    it(`refuses ${name}`, () => {
      expect(() => {
        for (const bytes of frames) parser.push(bytes);
      }).to.throw(ProtocolViolationError);
    });
});
