import { expect } from 'chai';

import type { Pod } from '../../../src/kubernetes/cluster.ts';
import { inStartPhases, type StartPhases } from '../../../src/pods/start-phases.ts';
import { OpenTelemetryTracing } from '../../../src/telemetry/open-telemetry-tracing.ts';
import { rejection } from '../../support/rejection.ts';
import { RecordedSpans } from '../../support/telemetry/recorded-spans.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

describe('inStartPhases()', () => {
  let spans: RecordedSpans;

  beforeEach(() => {
    spans = new RecordedSpans();
  });

  afterEach(async () => {
    await spans[Symbol.asyncDispose]();
  });

  const pending: Pod = { spec: { containers: [] } };
  const scheduled: Pod = { spec: { nodeName: 'node-1', containers: [] } };
  const status = { name: 'main', image: '', imageID: '', ready: false, restartCount: 0 };
  const pulling: Pod = { ...scheduled, status: { containerStatuses: [{ ...status, state: { waiting: {} } }] } };
  const running: Pod = { ...scheduled, status: { containerStatuses: [{ ...status, state: { running: {} } }] } };

  const run = async (wait: (phases: StartPhases) => Promise<void>): Promise<void> => {
    const tracing = new OpenTelemetryTracing({ clock: new VirtualClock() });
    await tracing.span('pod.ready', {}, (span) => inStartPhases(span, wait, {}));
  };
  const observing = async (...pods: readonly Pod[]): Promise<readonly string[]> => {
    await run(async (phases) => pods.forEach((pod) => phases.observe(pod)));
    return spans.tree();
  };

  it('divides the start by what the states of the pod prove, each phase once', async () => {
    expect(await observing(pending, pending, scheduled, pulling, pulling, running, pulling)).to.deep.equal([
      'pod.ready',
      '  pod.schedule',
      '  image.pull',
      '  agent.connect',
    ]);
    expect(spans.ended.map(({ name }) => name)).to.deep.equal([
      'pod.schedule',
      'image.pull',
      'agent.connect',
      'pod.ready',
    ]);
    expect(spans.ended.at(-1)?.attributes).to.include({ 'k8s.node.name': 'node-1' });
  });

  it('leaves out a phase that the watch has skipped', async () => {
    expect(await observing(running)).to.deep.equal(['pod.ready', '  pod.schedule', '  agent.connect']);
  });

  it('ends the phase in which the start fails', async () => {
    const error = new TypeError();
    await rejection(
      run(async (phases) => {
        phases.observe(pulling);
        throw error;
      }),
    );
    expect(spans.ended.map(({ name, attributes }) => [name, attributes['error.type']])).to.deep.equal([
      ['pod.schedule', undefined],
      ['image.pull', 'TypeError'],
      ['pod.ready', 'TypeError'],
    ]);
  });
});
