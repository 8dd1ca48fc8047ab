import type { Mutant } from '../../../scripts/mutant.ts';

/** Changes of `src/encodings` that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'text of a source is stored as bytes',
    file: 'src/encodings/byte-limit.ts',
    find: 'if (!(chunk instanceof Uint8Array)) {',
    replace: "if (typeof chunk === 'string') chunk = Buffer.from(chunk);\n    if (!(chunk instanceof Uint8Array)) {",
    killedBy: { specs: ['test/unit/encodings/compression.spec.ts'], grep: 'does not give bytes' },
  },
  {
    name: 'a source with an encoding is opened',
    file: 'src/encodings/compression.ts',
    find: 'if (source.readableEncoding === null) return source;',
    replace: 'if (source.readable) return source;',
    killedBy: { specs: ['test/unit/encodings/compression.spec.ts'], grep: 'does not give bytes' },
  },
  {
    name: 'garbage after gzip data proves its end',
    file: 'src/encodings/gzip-members.ts',
    find: 'this.#hasGarbage ||= !isZero(bytes);',
    replace: 'this.#hasGarbage ||= false;',
    killedBy: { specs: ['test/unit/encodings/compression.spec.ts'], grep: 'decodeArchive of gzip' },
  },
  {
    name: 'a gzip member with another checksum is accepted',
    file: 'src/encodings/gzip-members.ts',
    find: 'if (trailer.readUInt32LE(0) !== this.#crc)',
    replace: 'if (trailer.readUInt32LE(0) !== this.#crc && this.#members === 0)',
    killedBy: { specs: ['test/unit/encodings/compression.spec.ts'], grep: 'decodeArchive of gzip' },
  },
  {
    name: 'bytes after the padding of zstd data are ignored',
    file: 'src/encodings/zstd-frames.ts',
    find: "if (!isZero(rest)) throw new Error('something follows the padding');",
    replace: 'if (!isZero(rest)) return;',
    killedBy: { specs: ['test/unit/encodings/compression.spec.ts'], grep: 'decodeArchive of zstd' },
  },
  {
    name: 'the checksum of a zstd frame does not belong to the frame',
    file: 'src/encodings/zstd-scanner.ts',
    find: 'size + (this.#hasChecksum ? 4 : 0)',
    replace: 'size',
    killedBy: { specs: ['test/unit/encodings/compression.spec.ts'] },
  },
];
