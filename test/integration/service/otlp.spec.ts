import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';

import { trace } from '@opentelemetry/api';
import { expect } from 'chai';

import { startTelemetry, type Telemetry } from '../../../src/service/telemetry/telemetry.ts';
import { OpenTelemetryTracing } from '../../../src/telemetry/open-telemetry-tracing.ts';

interface Received {
  readonly path: string | undefined;
  readonly type: string | undefined;
  readonly authorization: string | undefined;
  /** Texts in protobuf are plain. */
  readonly text: string;
}

describe('the export of the service by OTLP', () => {
  let server: Server;
  let received: Received[];
  let answers: boolean;
  let folder: string;
  let telemetry: Telemetry;

  beforeEach(async () => {
    [received, answers] = [[], true];
    server = createServer((request, response) => {
      void buffer(request).then((body) => {
        const { 'content-type': type, authorization } = request.headers;
        received.push({ path: request.url, type, authorization, text: body.toString('latin1') });
        if (answers) response.end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    folder = await mkdtemp(join(tmpdir(), 'kw-otlp-'));
    await writeFile(join(folder, 'headers'), 'Authorization: Bearer first\n');
  });

  afterEach(async () => {
    await telemetry.close(100);
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  const start = async (traces?: boolean): Promise<void> => {
    const { port } = server.address() as AddressInfo;
    const otlp = { endpoint: `http://127.0.0.1:${port}/`, headersFile: join(folder, 'headers') };
    telemetry = await startTelemetry({ worker: { name: 'ci' }, telemetry: { otlp, traces } });
  };
  const work = async (): Promise<string> => {
    const tracing = new OpenTelemetryTracing({ clock: { now: () => 0 } });
    let traceId = '';
    await tracing.span('container.create', { podName: 'pod-1' }, async () => {
      traceId = trace.getActiveSpan()?.spanContext().traceId ?? '';
      await tracing.span('pod.create', {}, async () => undefined);
    });
    return traceId;
  };
  const of = (signal: string) => received.filter(({ path }) => path === `/v1/${signal}`);

  it('sends spans of one trace, and metrics, with the headers of the file at that time', async () => {
    await start();
    const traceId = await work();
    await telemetry.flush();
    const [spans] = of('traces');
    expect(spans).to.include({ type: 'application/x-protobuf', authorization: 'Bearer first' });
    for (const text of ['container.create', 'pod.create', 'pod-1', 'service.name', 'kubernetes_worker.name'])
      expect(spans?.text).to.include(text);
    // Each of the two spans has it.
    const id = Buffer.from(traceId, 'hex').toString('latin1');
    expect(spans?.text.split(id)).to.have.length(3);
    expect(of('metrics')[0]?.text).to.include('kubernetes_worker.operation.results');
    await writeFile(join(folder, 'headers'), 'Authorization: Bearer second\n');
    await work();
    await telemetry.flush();
    expect(of('traces').at(-1)?.authorization).to.equal('Bearer second');
  });

  it('sends no spans if traces are off', async () => {
    await start(false);
    expect(await work()).to.equal('');
    await telemetry.flush();
    expect([of('traces').length, of('metrics').length > 0]).to.deep.equal([0, true]);
  });

  it('ends within its bound if the receiver does not respond, and leaves no SDK behind', async () => {
    await start();
    answers = false;
    await work();
    await telemetry.flush(50);
    await telemetry.close(50);
    expect(await work()).to.equal('');
  });
});
