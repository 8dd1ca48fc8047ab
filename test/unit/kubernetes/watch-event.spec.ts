import { expect } from 'chai';

import { ApiUnavailableError } from '../../../src/errors/cluster.ts';
import { apiAnswerError } from '../../../src/kubernetes/api/api-error.ts';
import { linesOf } from '../../../src/kubernetes/api/lines.ts';
import { podFromJson } from '../../../src/kubernetes/api/object-json.ts';
import { decodeWatchLine, watchError } from '../../../src/kubernetes/api/watch-event.ts';
import { WatchExpiredError } from '../../../src/kubernetes/watch-expired-error.ts';

const facts = { verb: 'watch', resource: 'pods', namespace: 'ci', resourceVersion: '7' };

function line(type: string, object: unknown): string {
  return JSON.stringify({ type, object });
}

describe('decodeWatchLine', () => {
  for (const [type, expected] of [
    ['ADDED', 'added'],
    ['MODIFIED', 'modified'],
    ['DELETED', 'deleted'],
  ] as const) {
    it(`returns a pod that was ${expected}`, () => {
      expect(decodeWatchLine(line(type, { metadata: { name: 'p' } }), facts)).to.deep.equal({
        type: expected,
        pod: { metadata: { name: 'p' } },
      });
    });
  }

  it('returns nothing for a bookmark and for unknown event types', () => {
    expect(decodeWatchLine(line('BOOKMARK', { metadata: { resourceVersion: '9' } }), facts)).to.equal(undefined);
    expect(decodeWatchLine(line('FUTURE', {}), facts)).to.equal(undefined);
    expect(decodeWatchLine(line('ADDED', null), facts)).to.equal(undefined);
  });

  it('throws WatchExpiredError if the version is too old', () => {
    expect(() => decodeWatchLine(line('ERROR', { code: 410, reason: 'Expired', message: 'too old' }), facts)).to.throw(
      WatchExpiredError,
    );
    expect(watchError(apiAnswerError({ status: 410, body: 'gone' }, facts), facts)).to.be.instanceOf(WatchExpiredError);
  });

  it('throws for any other error, and for a line that is not an event', () => {
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

describe('linesOf', () => {
  async function collect(...chunks: Buffer[]): Promise<string[]> {
    async function* source(): AsyncGenerator<Uint8Array> {
      yield* chunks;
    }
    const lines: string[] = [];
    for await (const text of linesOf(source())) lines.push(text);
    return lines;
  }

  it('yields whole lines for any chunks, also when a character is split', async () => {
    const text = Buffer.from('one\nzwölf\n\nthree\n');
    for (let cut = 0; cut <= text.length; cut += 1) {
      expect(await collect(text.subarray(0, cut), text.subarray(cut))).to.deep.equal(['one', 'zwölf', 'three']);
    }
    expect(await collect(...[...text].map((byte) => Buffer.from([byte])))).to.deep.equal(['one', 'zwölf', 'three']);
  });

  it('discards a line that was cut off', async () => {
    expect(await collect(Buffer.from('one\n{"half":'))).to.deep.equal(['one']);
  });
});

describe('podFromJson', () => {
  const time = '2030-01-02T03:04:05Z';
  const date = new Date(time);

  it('converts times to dates where the types declare them, and nowhere else, and omits managed fields', () => {
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

  it('returns undefined for JSON that is not an object', () => {
    for (const odd of [undefined, null, 'x', []]) expect(podFromJson(odd)).to.equal(undefined);
    expect(podFromJson({ status: { conditions: 'x', containerStatuses: [null] } })).to.be.an('object');
  });
});
