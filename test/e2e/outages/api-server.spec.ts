import { PassThrough } from 'node:stream';

import type { PGlite } from '@electric-sql/pglite';
import { expect } from 'chai';

import type { Worker } from '../../../src/index.ts';
import { Collector, makeContainer, type WorkerSetup, withoutTimes } from '../../contract/worker/setup.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { type KubeApi, kubeApi } from '../../support/kube/kube-api.ts';
import { missingImage, type RealCluster, realCluster, shellImage } from '../../support/real-cluster.ts';
import { workerSetup } from '../../support/worker-setup.ts';

const lines = 100_000;

describe('an API server that is killed and started five times, on a real cluster', function () {
  this.timeout(300_000);
  let real: RealCluster | undefined;
  let database: PGlite | undefined;
  let setup: WorkerSetup;
  let worker: Worker;
  let api: KubeApi;

  before(async function () {
    api = kubeApi(this);
    real = await realCluster(this, 'api-server');
    database = await newPGlite();
    const { kubeconfigPath, account, namespace } = real;
    setup = workerSetup({ kubeconfigPath, account, namespace, database, image: shellImage, missingImage });
    worker = await setup.open();
  });

  after(async () => {
    await (worker as Worker | undefined)?.close();
    await real?.remove();
    await database?.close();
  });

  /**
   * Retries the reaper: the node learns late of the deletion, because it has lost the API server as
   * often and waits longer each time before it watches again.
   */
  async function reaped(): Promise<void> {
    for (;;) {
      try {
        await worker.reap();
        return;
      } catch (error) {
        expect(error).to.include({ code: 'KW_ERR_RECONCILE', retryable: true });
      }
    }
  }

  it('loses no line of a step that prints 100,000 on each stream, and delivers none twice, and a terminal continues as well', async () => {
    const { container, owner } = await makeContainer(worker, shellImage);
    const script = `i=0; while [ $i -lt ${lines} ]; do
      i=$((i+1)); echo "out $i"; echo "err $i" >&2; [ $((i % 500)) -eq 0 ] && sleep 0.1
    done; exit 6`;
    const [stdout, stderr] = [new Collector(), new Collector()];
    const [keys, screen] = [new PassThrough(), new Collector()];
    const terminal = await container.run(
      {
        path: 'sh',
        args: ['-c', 'stty -echo; echo ready; while read -r line; do echo "got $line in $(stty size)"; done; exit 2'],
        tty: {},
      },
      { stdin: keys, stdout: screen },
    );
    await screen.shows('ready');
    const step = await container.run({ id: 'step', path: 'sh', args: ['-c', script] }, { stdout, stderr });
    for (let kill = 1; kill <= 5; kill += 1) {
      await stdout.shows(`out ${kill * 15_000}\n`);
      await api.kill();
      keys.write(`line ${kill}\r`);
      await api.start();
      await terminal.resize({ columns: 100 + kill, rows: 30 });
      await screen.shows(`got line ${kill}`);
    }
    expect(withoutTimes(await step.wait())).to.deep.equal({ exitStatus: 6 });
    const wanted = (word: string) => Array.from({ length: lines }, (_, index) => `${word} ${index + 1}\n`).join('');
    expect([stdout.text === wanted('out'), stderr.text === wanted('err')]).to.deep.equal([true, true]);
    keys.write('last\r\x04');
    expect(withoutTimes(await terminal.wait())).to.deep.equal({ exitStatus: 2 });
    expect(screen.text.match(/got line \d/g)).to.deep.equal([1, 2, 3, 4, 5].map((kill) => `got line ${kill}`));
    expect(screen.text).to.contain('got last in 30 105\r\n');
    await worker.ownerFinished(owner);
    await reaped();
    expect(await setup.podNames()).to.deep.equal([]);
  });
});
