import type { Mutant } from '../../../scripts/mutant.ts';

const format = { specs: ['test/unit/archives/format/archive-format.spec.ts'] };
const memory = { specs: ['test/unit/archives/frame-memory.spec.ts'] };
const transfers = { specs: ['test/unit/archives/store-transfers.spec.ts'] };

/** Changes of `src/archives` that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a seek table that does not agree with the frames is accepted',
    file: 'src/archives/format/archive-reader.ts',
    find: 'if (!part.equals(expected.subarray(0, part.length)))',
    replace: 'if (part.length === 0)',
    killedBy: format,
  },
  {
    name: 'bytes after the seek table are ignored',
    file: 'src/archives/format/archive-reader.ts',
    find: "if (expected.length === 0) throw this.#damaged('bytes follow its seek table');",
    replace: 'if (expected.length === 0) return Buffer.alloc(0);',
    killedBy: format,
  },
  {
    name: 'an archive without its seek table is complete',
    file: 'src/archives/format/archive-reader.ts',
    find: 'if (this.#expected === undefined || this.#expected.length > 0)',
    replace: 'if (this.#held.length > 4)',
    killedBy: format,
  },
  {
    name: 'the sender of frames declares any length',
    file: 'src/archives/format/archive-writer.ts',
    find: 'if (content.rawLength !== rawLength)',
    replace: 'if (content.rawLength < 0)',
    killedBy: format,
  },
  {
    name: 'neither a save nor a relay compares the digest of the agent',
    file: 'src/archives/proven-frames.ts',
    find: 'has.rawBytes === sent.rawBytes && has.digest === sent.digest',
    replace: 'has.rawBytes === sent.rawBytes',
    killedBy: transfers,
  },
  {
    name: 'a relay believes the agents of both pods',
    file: 'src/archives/store-transfers.ts',
    find: 'async (opening) => new ProvenFrames(await pods.sendFrames(from, opening));',
    replace: 'async (opening) => await pods.sendFrames(from, opening);',
    killedBy: transfers,
  },
  {
    name: 'a frame is passed before the store has taken it',
    file: 'src/archives/save-frames.ts',
    find: 'const stored = writer.add(frame);',
    replace: 'const stored = writer.add(frame);\n      frames.passed(frame);',
    killedBy: transfers,
  },
  {
    name: 'a frame that the store still has is freed',
    file: 'src/archives/raw-content.ts',
    find: "if (next?.frame.encoding === 'zstd') freeBytes(next.raw);",
    replace: 'if (next !== undefined) freeBytes(next.raw);',
    killedBy: transfers,
  },
  {
    name: 'a frame is freed before its digest is computed',
    file: 'src/archives/raw-content.ts',
    find: 'frame.memory?.hold();',
    replace: '',
    killedBy: memory,
  },
  {
    name: 'a frame is freed before the store has taken it',
    file: 'src/archives/save-frames.ts',
    find: 'const stored = writer.add(frame);',
    replace: 'const stored = writer.add(frame);\n      if (!keepsChunks) frame.memory?.release();',
    killedBy: memory,
  },
  {
    name: 'a frame is freed although the store keeps it',
    file: 'src/archives/save-frames.ts',
    find: 'if (!keepsChunks) frame',
    replace: 'frame',
    killedBy: memory,
  },
  {
    name: 'a frame that an agent has acknowledged is left to the collector',
    file: 'src/agent-client/transfer/upload-outbox.ts',
    find: 'first.memory?.release();',
    replace: '',
    killedBy: memory,
  },
  {
    name: 'a frame is freed when its first part is acknowledged',
    file: 'src/agent-client/transfer/upload-feed.ts',
    find: 'memory: rest.byteLength > 0 ? undefined : memory',
    replace: 'memory',
    killedBy: memory,
  },
  {
    name: 'a write does not compare the digest of the store',
    file: 'src/archives/write-verified.ts',
    find: ' && storedDigest === digest) return;',
    replace: ') return;',
    killedBy: transfers,
  },
  {
    name: 'a read does not compare the stored digest',
    file: 'src/archives/stored-bytes.ts',
    find: 'if (digest !== storedDigest)',
    replace: 'if (digest.length !== storedDigest.length)',
    killedBy: transfers,
  },
  {
    name: 'a read does not compare the raw digest',
    file: 'src/archives/raw-archive.ts',
    find: 'if (digest !== archive.digest)',
    replace: 'if (digest.length !== archive.digest.length)',
    killedBy: transfers,
  },
  {
    name: 'a store that provides no byte stalls a read for ever',
    file: 'src/archives/stored-bytes.ts',
    find: 'if (this.#isWaiting) this.stop(stalled(archive, stallMs));',
    replace: 'this.#isWaiting = false;',
    killedBy: transfers,
  },
];
