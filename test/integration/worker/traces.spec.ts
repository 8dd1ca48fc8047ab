import { Readable } from 'node:stream';

import { type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import { expect } from 'chai';

import type { KubernetesWorker } from '../../../src/index.ts';
import { startTelemetry } from '../../../src/service/telemetry/telemetry.ts';
import { Collector, makeContainer, newOwner, sh } from '../../contract/worker/setup.ts';
import { embeddedWorker, withEmbeddedWorker } from '../../support/embedded-worker.ts';
import { rejection } from '../../support/rejection.ts';
import { tarOf } from '../../support/tar.ts';
import { RecordedSpans } from '../../support/telemetry/recorded-spans.ts';

const image = 'busybox:1';

describe('the spans of a worker', () => {
  const secret = 'pl4nted-s3cret';
  const world = withEmbeddedWorker(image);
  let worker: KubernetesWorker;
  let spans: RecordedSpans;

  beforeEach(async () => {
    // What another test has left has no span of this one.
    await world.worker.reap();
    spans = new RecordedSpans();
    worker = await world.setup.openWith({ traceEnvironment: true });
  });

  afterEach(async () => {
    await worker.close();
    await spans[Symbol.asyncDispose]();
  });

  const inBuild = async <T>(work: (build: Span) => Promise<T>): Promise<T> =>
    await trace.getTracer('host').startActiveSpan('build', async (build) => {
      try {
        return await work(build);
      } finally {
        build.end();
      }
    });

  const named = (name: string) => spans.ended.filter((span) => span.name === name);

  it('are one tree of a build, in which each has ended with its work, without a secret', async () => {
    const printed = await inBuild(async () => {
      const { volume } = await worker.createVolumeForArtifact('main');
      await volume.streamIn('.', Readable.from([await tarOf({ file: 'text' })]));
      const { container, owner, mounts } = await makeContainer(worker, image, {
        env: [`PASSWORD=${secret}`],
        inputs: [{ artifact: volume, path: 'in' }],
        outputs: { result: 'out' },
      });
      const stdout = new Collector();
      const script = 'printf "$TRACEPARENT"';
      const process = await container.run(
        { path: 'sh', args: ['-c', script, secret], env: [`T=${secret}`] },
        { stdout },
      );
      await process.wait();
      for await (const _chunk of await mounts.find(({ name }) => name === 'result')!.volume.streamOut('.'));
      await worker.ownerFinished(owner);
      await worker.reap();
      return stdout.text;
    });
    const tree = spans.tree().filter((line) => !/pod\.schedule|image\.pull/.test(line));
    expect(tree).to.deep.equal([
      'build',
      '  volume.stream-in',
      '  container.create',
      '    pod.create',
      '    pod.ready',
      '      agent.connect',
      '    inputs.stream-in',
      '  process.run',
      '    process.exec',
      '    process.wait',
      '  volume.stream-out',
      '  reaper.pass',
      '    pod.delete',
    ]);
    expect(spans.tree().filter((line) => line.includes('pod.schedule'))).to.have.length(1);
    expect(spans.ended).to.have.length(spans.started.length);
    expect(new Set(spans.ended.map((span) => span.spanContext().traceId)).size).to.equal(1);
    const run = named('process.run')[0]!;
    const { traceId, spanId } = run.spanContext();
    expect(printed).to.equal(`00-${traceId}-${spanId}-01`);
    expect(run.attributes).to.include({ 'process.exit.code': 0 });
    expect(JSON.stringify(spans.ended.map(({ name, attributes, status }) => [name, attributes, status])))
      .to.include(run.attributes['k8s.pod.name'])
      .and.not.to.include(secret);
  });

  it('are no part of what identifies a command, and no variable that a specification has', async () => {
    const { container, owner, spec } = await makeContainer(worker, image, { env: ['TRACESTATE=container'] });
    const own = 'TRACEPARENT=00-11111111111111111111111111111111-2222222222222222-01';
    const print = { id: 'print', path: 'sh', args: ['-c', 'env | grep ^TRACE'], env: [own] };
    const stdout = new Collector();
    const first = await inBuild(() => container.run(print, { stdout }));
    const second = await inBuild(() => container.run(print, {}));
    expect([first.startedByCall, second.startedByCall]).to.deep.equal([true, false]);
    await Promise.all([first.wait(), second.wait()]);
    expect(stdout.text).to.include(own).and.to.include('TRACESTATE=container');
    // A worker without the option.
    const { container: same } = await world.worker.findOrCreateContainer(owner, spec);
    const { stdout: untraced } = await inBuild(() => sh(same, 'env'));
    expect(untraced).to.include('TRACESTATE').and.not.to.include('TRACEPARENT');
  });

  it('end with the code of the error, and with a host that detaches', async () => {
    await rejection(worker.findOrCreateContainer(newOwner(), { image: world.setup.missingImage }));
    const [failed] = named('container.create');
    expect(failed?.attributes['error.type']).to.match(/^KW_ERR_/);
    expect(failed?.status.code).to.equal(SpanStatusCode.ERROR);
    const { container } = await makeContainer(worker, image);
    const process = await container.run({ id: 'long', path: 'sleep', args: ['60'] }, {});
    expect(named('process.run')).to.have.length(0);
    await process[Symbol.asyncDispose]();
    const [detached] = named('process.run');
    expect(detached?.attributes).to.include({ 'kubernetes_worker.process.detached': true });
    expect(detached?.status.code).to.equal(SpanStatusCode.UNSET);
    await container.stopProcess('long');
  });
});

describe('the metrics of a worker', () => {
  it('count the requests, statements, operations and deletions of a step', async () => {
    const world = await embeddedWorker(image);
    await using telemetry = await startTelemetry({ worker: { name: 'w' }, telemetry: { otlp: {} } });
    const worker = await world.setup.openWith({});
    const { container, owner } = await makeContainer(worker, image);
    await sh(container, 'true');
    await worker.heartbeat();
    const running = await telemetry.metricsText();
    expect(running).to.match(/^kubernetes_worker_watch_age_seconds [\d.]+$/m);
    expect(running).to.match(/^kubernetes_worker_quota_queue 0$/m);
    expect(running).to.match(/^kubernetes_worker_heartbeat_timestamp_seconds \d+/m);
    await worker.ownerFinished(owner);
    await worker.reap();
    await worker.close();
    const closed = (await telemetry.metricsText()).split('\n');
    expect(closed).to.include.members([
      'kubernetes_worker_api_requests_total{verb="create",resource="pods",status="201"} 1',
      'kubernetes_worker_operation_results_total{operation="container.create",outcome="OK"} 1',
      'kubernetes_worker_operation_results_total{operation="process.run",outcome="OK"} 1',
      'kubernetes_worker_reaper_deleted_total{kind="pod"} 1',
    ]);
    const statements = closed.find((line) => line.startsWith('kubernetes_worker_database_statements_total'));
    expect(statements).to.match(/outcome="OK"\} \d{2,}$/);
    await world.close();
  });
});
