import { expect } from 'chai';
import {
  decodeMessage,
  encodeMessage,
  exitStatus,
  outputMessages,
} from '../../../../src/embedded/server/channel-codec.ts';

describe('decodeMessage', () => {
  it('returns the bytes of stdin', () => {
    expect(decodeMessage(Buffer.from([0, 1, 2]), 5)).to.deep.equal({ kind: 'stdin', bytes: Buffer.from([1, 2]) });
  });

  it('decodes a terminal size', () => {
    expect(decodeMessage(Buffer.from('\u0004{"Width":80,"Height":24}'), 4)).to.deep.equal({
      kind: 'resize',
      columns: 80,
      rows: 24,
    });
    expect(decodeMessage(Buffer.from('\u0004nonsense'), 4)).to.deep.equal({ kind: 'ignored' });
  });

  it('decodes the end of stdin in v5 only', () => {
    expect(decodeMessage(Buffer.from([255, 0]), 5)).to.deep.equal({ kind: 'close-stdin' });
    expect(decodeMessage(Buffer.from([255, 0]), 4)).to.deep.equal({ kind: 'ignored' });
  });

  it('reports a CLOSE of another size as a violation', () => {
    expect(decodeMessage(Buffer.from([255]), 5)).to.deep.equal({ kind: 'violation' });
    expect(decodeMessage(Buffer.from([255, 0, 0]), 5)).to.deep.equal({ kind: 'violation' });
  });

  it('ignores messages on the channels of the server', () => {
    expect(decodeMessage(Buffer.from([1, 1]), 5)).to.deep.equal({ kind: 'ignored' });
    expect(decodeMessage(Buffer.alloc(0), 5)).to.deep.equal({ kind: 'ignored' });
  });
});

describe('outputMessages', () => {
  it('splits output into messages of at most 32 KiB and a byte', () => {
    const output = Buffer.alloc(70_000, 7);
    const messages = [...outputMessages(1, output)];
    expect(messages.map(({ length }) => length)).to.deep.equal([32_769, 32_769, 4_465]);
    expect(messages.every((message) => message[0] === 1)).to.equal(true);
    expect(Buffer.concat(messages.map((message) => message.subarray(1))).equals(output)).to.equal(true);
  });

  it('creates no message for an empty output', () => {
    expect([...outputMessages(1, Buffer.alloc(0))]).to.deep.equal([]);
  });
});

describe('exitStatus', () => {
  it('is Success for 0', () => {
    expect(exitStatus(0, 5, ['true'])).to.deep.equal({ metadata: {}, status: 'Success' });
  });

  it('carries the exit code as a cause, with the message of each version of the protocol', () => {
    const { reason, details, message } = exitStatus(3, 5, ['sh']);
    expect({ reason, details }).to.deep.equal({
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '3' }] },
    });
    expect(message).to.equal('command terminated with non-zero exit code: command terminated with exit code 3');
    expect(exitStatus(1, 4, ['ls', '/x']).message).to.equal(
      'command terminated with non-zero exit code: error executing command [ls /x], exit code 1',
    );
  });
});

describe('encodeMessage', () => {
  it('puts the channel before the payload', () => {
    expect(encodeMessage(3, Buffer.from('ab'))).to.deep.equal(Buffer.from([3, 97, 98]));
  });
});
