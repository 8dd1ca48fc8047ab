import { stringMap, textOf } from '../objects/api-object.ts';
import { unsupportedBody } from '../objects/status.ts';

/**
 * The type of a field's value: a scalar, a message, or a map with string keys. Field numbers are
 * those of the kinds' `generated.proto`.
 */
type FieldType = 'string' | 'bytes' | 'bool' | 'int' | Schema | { readonly map: 'string' | 'bytes' };

interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly repeated?: boolean;
}

type Schema = ReadonlyMap<number, Field>;

const text = (name: string): Field => ({ name, type: 'string' });
const schema = (fields: Readonly<Record<number, Field>>): Schema =>
  new Map(Object.entries(fields).map(([number, field]) => [Number(number), field]));

const metadataField: Field = {
  name: 'metadata',
  type: schema({
    1: text('name'),
    2: text('generateName'),
    3: text('namespace'),
    5: text('uid'),
    6: text('resourceVersion'),
    11: { name: 'labels', type: { map: 'string' } },
    12: { name: 'annotations', type: { map: 'string' } },
    14: { name: 'finalizers', type: 'string', repeated: true },
  }),
};

const schemas: ReadonlyMap<string, Schema> = new Map([
  ['Namespace', schema({ 1: metadataField })],
  ['ServiceAccount', schema({ 1: metadataField })],
  [
    'ConfigMap',
    schema({
      1: metadataField,
      2: { name: 'data', type: { map: 'string' } },
      3: { name: 'binaryData', type: { map: 'bytes' } },
      4: { name: 'immutable', type: 'bool' },
    }),
  ],
  [
    'Secret',
    schema({
      1: metadataField,
      2: { name: 'data', type: { map: 'bytes' } },
      3: text('type'),
      4: { name: 'stringData', type: { map: 'string' } },
      5: { name: 'immutable', type: 'bool' },
    }),
  ],
  [
    'DeleteOptions',
    schema({
      1: { name: 'gracePeriodSeconds', type: 'int' },
      2: { name: 'preconditions', type: schema({ 1: text('uid'), 2: text('resourceVersion') }) },
      4: text('propagationPolicy'),
    }),
  ],
  [
    'SelfSubjectAccessReview',
    schema({
      2: {
        name: 'spec',
        type: schema({
          1: {
            name: 'resourceAttributes',
            type: schema({
              1: text('namespace'),
              2: text('verb'),
              3: text('group'),
              4: text('version'),
              5: text('resource'),
              6: text('subresource'),
              7: text('name'),
            }),
          },
          2: { name: 'nonResourceAttributes', type: schema({ 1: text('path'), 2: text('verb') }) },
        }),
      },
    }),
  ],
]);

const magic = Buffer.from('k8s\0');
const envelope = schema({
  1: { name: 'typeMeta', type: schema({ 1: text('apiVersion'), 2: text('kind') }) },
  2: { name: 'raw', type: 'bytes' },
});

/**
 * Decodes a body of `application/vnd.kubernetes.protobuf`, which kubectl sends for the few kinds
 * that it creates by name. Returns the equivalent JSON body.
 * @throws ApiError 415 for another kind and for a malformed body
 */
export function decodeProtobuf(body: Buffer): Record<string, unknown> {
  if (!body.subarray(0, magic.length).equals(magic)) throw unsupportedBody();
  try {
    const { typeMeta, raw } = decodeMessage(body.subarray(magic.length), envelope);
    const { apiVersion, kind } = stringMap(typeMeta);
    const known = schemas.get(kind ?? '');
    if (known === undefined || typeof raw !== 'string') throw unsupportedBody();
    return { apiVersion, kind, ...decodeMessage(Buffer.from(raw, 'base64'), known) };
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) throw unsupportedBody();
    throw error;
  }
}

/** A position in a message. A read beyond the end of the message throws a RangeError. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 63; factor *= 128) {
      const byte = this.#bytes.readUInt8(this.#at);
      this.#at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new RangeError('the number is too long');
  }

  block(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError('the message is truncated');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

function decodeMessage(bytes: Buffer, fields: Schema): Record<string, unknown> {
  const reader = new Reader(bytes);
  const message: Record<string, unknown> = {};
  while (!reader.atEnd) {
    const key = reader.varint();
    const field = fields.get(Math.floor(key / 8));
    const value = readValue(reader, key % 8);
    if (field !== undefined) setField(message, field, value);
  }
  return message;
}

function readValue(reader: Reader, wireType: number): number | Buffer {
  switch (wireType) {
    case 0:
      return reader.varint();
    case 1:
      return reader.block(8);
    case 2:
      return reader.block(reader.varint());
    case 5:
      return reader.block(4);
    default:
      throw new RangeError(`wire type ${wireType} is not supported`);
  }
}

/** Sets a field of a message. An empty text means that the field is not set. */
function setField(
  message: Record<string, unknown>,
  { name, type, repeated = false }: Field,
  value: number | Buffer,
): void {
  if (typeof type === 'object' && 'map' in type) {
    const entry = decodeMessage(asBytes(value), schema({ 1: text('key'), 2: { name: 'value', type: type.map } }));
    message[name] = { ...stringMap(message[name]), [textOf(entry['key'])]: textOf(entry['value']) };
    return;
  }
  const decoded = decodeScalar(type, value);
  const before = message[name];
  if (repeated) message[name] = Array.isArray(before) ? before.concat(decoded) : [decoded];
  else if (decoded !== '') message[name] = decoded;
}

function decodeScalar(type: Exclude<FieldType, { readonly map: 'string' | 'bytes' }>, value: number | Buffer): unknown {
  if (type === 'bool') return value === 1;
  if (type === 'int') return value;
  if (type === 'string') return asBytes(value).toString('utf8');
  if (type === 'bytes') return asBytes(value).toString('base64');
  return decodeMessage(asBytes(value), type);
}

function asBytes(value: number | Buffer): Buffer {
  if (typeof value === 'number') throw new TypeError('the field does not hold bytes');
  return value;
}
