import { expect } from 'chai';
import fc from 'fast-check';
import { logLinesOf } from '../../../src/kubernetes/api/log-lines.ts';
import type { LogLine } from '../../../src/kubernetes/cluster.ts';

async function* chunksOf(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let start = 0, turn = 0; start < bytes.byteLength; turn += 1) {
    const end = start + (sizes[turn % sizes.length] ?? 1);
    yield bytes.subarray(start, end);
    start = end;
  }
}

async function read(text: string, sizes: readonly number[] = [7]): Promise<readonly (readonly [string, string])[]> {
  const lines: LogLine[] = [];
  for await (const line of logLinesOf(chunksOf(Buffer.from(text, 'latin1'), sizes))) lines.push(line);
  return lines.map(({ at, bytes }) => [at, Buffer.from(bytes).toString('latin1')]);
}

describe('logLinesOf', () => {
  it('splits the time from each line, for any chunks', async () => {
    const lines = fc.array(fc.string({ unit: fc.constantFrom('a', ' ', '\xe9', '\r', '\t') }));
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(lines, sizes, async (texts, cuts) => {
        const log = texts.map((text, index) => `T${index}Z ${text}\n`).join('');
        expect(await read(log, cuts)).to.deep.equal(texts.map((text, index) => [`T${index}Z`, `${text}\n`]));
      }),
    );
  });

  it('yields a last line without a line end', async () => {
    expect(await read('T1 whole\nT2 hal')).to.deep.equal([
      ['T1', 'whole\n'],
      ['T2', 'hal'],
    ]);
  });

  it('splits a line of more than 1 MiB into parts with the same time', async () => {
    const long = 'x'.repeat(2_500_000);
    const parts = await read(`T1 ${long}\nT2 next\n`, [65_536]);
    expect(parts.map(([at]) => at)).to.deep.equal(['T1', 'T1', 'T1', 'T2']);
    expect(parts.map(([, text]) => text).join('')).to.equal(`${long}\nnext\n`);
    for (const [, text] of parts) expect(text.length).to.be.at.most(1_048_576);
  });
});
