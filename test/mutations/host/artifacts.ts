import type { Mutant } from '../../../scripts/mutant.ts';

/** Changes of `src/artifacts` that a test has to notice. */
export const mutants: readonly Mutant[] = [
  {
    name: 'text of a source is stored as bytes',
    file: 'src/artifacts/byte-limit.ts',
    find: 'if (!(chunk instanceof Uint8Array)) {',
    replace: "if (typeof chunk === 'string') chunk = Buffer.from(chunk);\n    if (!(chunk instanceof Uint8Array)) {",
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'], grep: 'does not give bytes' },
  },
  {
    name: 'a source with an encoding is opened',
    file: 'src/artifacts/compression.ts',
    find: 'if (source.readableEncoding === null) return source;',
    replace: 'if (source.readable) return source;',
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'], grep: 'does not give bytes' },
  },
  {
    name: 'garbage behind gzip data proves its end',
    file: 'src/artifacts/gzip-members.ts',
    find: 'this.#hasGarbage ||= !isZero(bytes);',
    replace: 'this.#hasGarbage ||= false;',
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'], grep: 'decodeArchive of gzip' },
  },
  {
    name: 'a gzip member with another checksum is taken',
    file: 'src/artifacts/gzip-members.ts',
    find: 'if (trailer.readUInt32LE(0) !== this.#crc)',
    replace: 'if (trailer.readUInt32LE(0) !== this.#crc && this.#members === 0)',
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'], grep: 'decodeArchive of gzip' },
  },
  {
    name: 'what follows the padding of zstd data is ignored',
    file: 'src/artifacts/zstd-frames.ts',
    find: "if (!isZero(rest)) throw new Error('something follows the padding');",
    replace: 'if (!isZero(rest)) return;',
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'], grep: 'decodeArchive of zstd' },
  },
  {
    name: 'the end of a zstd frame is not looked for',
    file: 'src/artifacts/zstd-scanner.ts',
    find: 'size + (this.#hasChecksum ? 4 : 0)',
    replace: 'size',
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'] },
  },
];
