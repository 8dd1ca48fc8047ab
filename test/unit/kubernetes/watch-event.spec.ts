import { expect } from 'chai';

import { ApiUnavailableError } from '../../../src/errors/cluster.ts';
import { apiAnswerError } from '../../../src/kubernetes/api-error.ts';
import { linesOf } from '../../../src/kubernetes/lines.ts';
import { podFromJson } from '../../../src/kubernetes/object-json.ts';
import { decodeWatchLine, watchError } from '../../../src/kubernetes/watch-event.ts';
import { WatchExpiredError } from '../../../src/kubernetes/watch-expired-error.ts';

const facts = { verb: 'watch', resource: 'pods', namespace: 'ci', resourceVersion: '7' };

function line(type: string, object: unknown): string {
  return JSON.stringify({ type, object });
}

describe('a line of a watch', () => {
  for (const [type, expected] of [
    ['ADDED', 'added'],
    ['MODIFIED', 'modified'],
    ['DELETED', 'deleted'],
  ] as const) {
    it(`says that a pod was ${expected}`, () => {
      expect(decodeWatchLine(line(type, { metadata: { name: 'p' } }), facts)).to.deep.equal({
        type: expected,
        pod: { metadata: { name: 'p' } },
      });
    });
  }

  it('says nothing of a pod as a bookmark, or as something newer than this program', () => {
    expect(decodeWatchLine(line('BOOKMARK', { metadata: { resourceVersion: '9' } }), facts)).to.equal(undefined);
    expect(decodeWatchLine(line('FUTURE', {}), facts)).to.equal(undefined);
    expect(decodeWatchLine(line('ADDED', null), facts)).to.equal(undefined);
  });

  it('ends the watch where the version is too old', () => {
    expect(() => decodeWatchLine(line('ERROR', { code: 410, reason: 'Expired', message: 'too old' }), facts)).to.throw(
      WatchExpiredError,
    );
    expect(watchError(apiAnswerError({ status: 410, body: 'gone' }, facts), facts)).to.be.instanceOf(WatchExpiredError);
  });

  it('ends the watch at any other error, and at what is no event', () => {
    expect(() => decodeWatchLine(line('ERROR', { code: 500, message: 'etcd' }), facts)).to.throw(
      ApiUnavailableError,
      'etcd',
    );
    expect(() => decodeWatchLine(line('ERROR', null), facts)).to.throw(ApiUnavailableError);
    for (const odd of ['<html>', '{}', '[]', 'null', '{"type":"ADDED"}', '{"type":1,"object":{}}']) {
      expect(() => decodeWatchLine(odd, facts), odd).to.throw(ApiUnavailableError, 'not an event');
    }
  });
});

describe('the lines of a stream', () => {
  async function collect(...chunks: Buffer[]): Promise<string[]> {
    async function* source(): AsyncGenerator<Uint8Array> {
      yield* chunks;
    }
    const lines: string[] = [];
    for await (const text of linesOf(source())) lines.push(text);
    return lines;
  }

  it('are whole however they are cut, also inside a character', async () => {
    const text = Buffer.from('one\nzwölf\n\nthree\n');
    for (let cut = 0; cut <= text.length; cut += 1) {
      expect(await collect(text.subarray(0, cut), text.subarray(cut))).to.deep.equal(['one', 'zwölf', 'three']);
    }
    expect(await collect(...[...text].map((byte) => Buffer.from([byte])))).to.deep.equal(['one', 'zwölf', 'three']);
  });

  it('do not include one that was cut off', async () => {
    expect(await collect(Buffer.from('one\n{"half":'))).to.deep.equal(['one']);
  });
});

describe('a pod as JSON', () => {
  const time = '2030-01-02T03:04:05Z';
  const date = new Date(time);

  it('gets dates where the types promise them, and nowhere else', () => {
    const pod = podFromJson({
      metadata: {
        creationTimestamp: time,
        deletionTimestamp: time,
        labels: { startTime: time },
        managedFields: [{ time }],
      },
      status: {
        startTime: time,
        conditions: [{ lastTransitionTime: time, lastProbeTime: null }],
        containerStatuses: [
          { state: { running: { startedAt: time } }, lastState: { terminated: { startedAt: time, finishedAt: time } } },
        ],
      },
    });
    expect(pod).to.deep.equal({
      metadata: {
        creationTimestamp: date,
        deletionTimestamp: date,
        labels: { startTime: time },
        managedFields: [{ time: date }],
      },
      status: {
        startTime: date,
        conditions: [{ lastTransitionTime: date }],
        containerStatuses: [
          { state: { running: { startedAt: date } }, lastState: { terminated: { startedAt: date, finishedAt: date } } },
        ],
      },
    });
  });

  it('is none where it is no object', () => {
    for (const odd of [undefined, null, 'x', []]) expect(podFromJson(odd)).to.equal(undefined);
    expect(podFromJson({ status: { conditions: 'x', containerStatuses: [null] } })).to.be.an('object');
  });
});
