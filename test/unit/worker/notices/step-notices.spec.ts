import { expect } from 'chai';

import type { StepProgress } from '../../../../src/runtime/step-progress.ts';
import { stepNotices } from '../../../../src/worker/notices/step-notices.ts';
import { Collector } from '../../../contract/worker/setup.ts';

const facts = { at: new Date(0), podName: 'p' };
const unschedulable: StepProgress = { kind: 'unschedulable', message: 'no s3cret node', ...facts };
const noVolumes: StepProgress = { kind: 'waiting-for-volumes', message: 'secret "s" not found', ...facts };
const noQuota: StepProgress = { kind: 'waiting-for-quota', message: 'full', queued: 0, ...facts };

describe('stepNotices', () => {
  let stderr: Collector;

  beforeEach(() => {
    stderr = new Collector();
  });

  it('writes one masked line for each wait, and nothing else', () => {
    const notice = stepNotices(stderr, (text) => text.replace('s3cret', '***'), {});
    const waits = [unschedulable, noQuota, noVolumes];
    for (const event of [...waits, ...waits, { kind: 'ready', ...facts } as const]) notice(event);
    expect(stderr.chunks).to.deep.equal([
      'pod p waits for a node that accepts it: no *** node\n',
      'pod p waits for room in a quota: full\n',
      'pod p waits for its volumes: secret "s" not found\n',
    ]);
  });

  it('writes nothing that cannot be masked, and nothing after an abort', () => {
    stepNotices(stderr, () => undefined, {})(unschedulable);
    stepNotices(stderr, (text) => text, { signal: AbortSignal.abort() })(unschedulable);
    expect(stderr.text).to.equal('');
  });

  it('has no effect without a stderr', () => {
    stepNotices(undefined, (text) => text, {})(unschedulable);
  });
});
