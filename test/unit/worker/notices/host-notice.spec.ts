import { getEventListeners } from 'node:events';
import { PassThrough, Writable } from 'node:stream';

import { expect } from 'chai';

import { writeNotice } from '../../../../src/worker/notices/host-notice.ts';
import { Collector } from '../../../contract/worker/setup.ts';
import { settle } from '../../../support/virtual-clock.ts';

type Callback = (error?: Error | null) => void;

function listenersOf(writable: Writable): number {
  return ['error', 'close'].reduce((sum, name) => sum + getEventListeners(writable, name).length, 0);
}

describe('writeNotice', () => {
  it('writes the text and leaves no listener', async () => {
    const writable = new Collector();
    writeNotice(writable, 'text');
    await settle();
    expect(writable.text).to.equal('text');
    expect(listenersOf(writable)).to.equal(0);
  });

  it('does nothing without a writable, or with one that has ended or is destroyed', async () => {
    const ended = new Collector();
    ended.end();
    const destroyed = new Collector();
    destroyed.destroy();
    for (const writable of [undefined, ended, destroyed]) {
      writeNotice(writable, 'text');
      await settle();
      expect(writable?.text ?? '').to.equal('');
    }
  });

  it('ignores a write that throws', () => {
    const writable = new PassThrough();
    writable.write = () => {
      throw new Error('broken');
    };
    writeNotice(writable, 'text');
    expect(listenersOf(writable)).to.equal(0);
  });

  for (const autoDestroy of [true, false]) {
    it(`ignores a write that fails, and no later error (${autoDestroy ? 'with' : 'without'} autoDestroy)`, async () => {
      const writable = new Writable({
        autoDestroy,
        write: (_chunk, _encoding, done: Callback) => void setImmediate(done, new Error('broken pipe')),
      });
      writeNotice(writable, 'text');
      await settle();
      await settle();
      expect(listenersOf(writable)).to.equal(0);
    });
  }

  it('does not wait for a writable that accepts nothing, and releases it when it closes', async () => {
    const writable = new Writable({ highWaterMark: 1, write: () => undefined });
    writeNotice(writable, 'text');
    expect(writable.writableLength).to.equal(4);
    writable.destroy(new Error('too slow'));
    await settle();
    expect(listenersOf(writable)).to.equal(0);
  });
});
