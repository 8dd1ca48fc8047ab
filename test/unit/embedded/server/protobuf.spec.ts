import { expect } from 'chai';
import { ApiError } from '../../../../src/embedded/objects/status.ts';
import { decodeProtobuf } from '../../../../src/embedded/server/protobuf.ts';

function field(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content);
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), bytes]);
}

function envelope(kind: string, raw: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from('k8s\0'),
    field(1, Buffer.concat([field(1, 'v1'), field(2, kind)])),
    field(2, raw),
    field(3, ''),
    field(4, ''),
  ]);
}

describe('decodeProtobuf', () => {
  const metadata = field(
    1,
    Buffer.concat([
      field(1, 'n'),
      field(3, ''),
      field(11, Buffer.concat([field(1, 'a'), field(2, 'b')])),
      field(11, Buffer.concat([field(1, 'c')])),
    ]),
  );

  it('decodes a config map', () => {
    const body = envelope(
      'ConfigMap',
      Buffer.concat([
        metadata,
        field(2, Buffer.concat([field(1, 'k'), field(2, 'v'.repeat(200))])),
        field(3, Buffer.concat([field(1, 'b'), field(2, Buffer.of(255))])),
        Buffer.from([4 * 8, 1]),
      ]),
    );
    expect(decodeProtobuf(body)).to.deep.equal({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'n', labels: { a: 'b', c: '' } },
      data: { k: 'v'.repeat(200) },
      binaryData: { b: '/w==' },
      immutable: true,
    });
  });

  it('decodes numbers', () => {
    expect(decodeProtobuf(envelope('DeleteOptions', Buffer.from([8, 0xac, 0x02])))).to.include({
      gracePeriodSeconds: 300,
    });
  });

  for (const [name, body] of [
    ['another kind', envelope('Deployment', metadata)],
    ['another beginning', Buffer.from('{"kind":"Pod"}')],
    ['a truncated message', envelope('ConfigMap', metadata.subarray(0, -1))],
    ['an empty body', Buffer.alloc(0)],
    ['a number that does not end', Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(20, 0xff)])],
  ] as const) {
    it(`rejects ${name} with 415`, () => {
      expect(() => decodeProtobuf(body))
        .to.throw(ApiError)
        .with.property('code', 415);
    });
  }
});
