import { expect } from 'chai';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { Tripwire } from '../../support/tripwire.ts';
import { ClusterClient } from './cluster-client.ts';
import { isolations, startOrSkip } from './isolation.ts';

/** The longest entry (`NAME=value`) that the kernel accepts. */
const longestEntryBytes = 131_071;

for (const isolation of isolations) {
  describe(`The environment of containers of the embedded cluster, isolation ${isolation}`, () => {
    let cluster: EmbeddedCluster;
    let client: ClusterClient;

    before(async function () {
      cluster = await startOrSkip(this, { isolation });
      client = new ClusterClient(cluster);
    });
    after(() => cluster?.close());

    const log = async (pod: string): Promise<string> =>
      (await client.raw(`/api/v1/namespaces/default/pods/${pod}/log`)).text;
    const main = (env: object[], command: string[], args: string[] = []) => ({
      restartPolicy: 'Never',
      containers: [{ name: 'main', image: 'x', command, args, env: env as { name: string; value: string }[] }],
    });

    const names = ['a.b', 'with space', '-x', '--', '1', 'a-b', 'ok', 'quo"te', "quo'te", '$HOME'];
    const env = names.map((name) => ({ name, value: `value of ${name}\n` }));
    /** Returns the entries without those that the cluster adds. */
    const own = (text: string): string[] =>
      text
        .split('\0')
        .filter(
          (entry) =>
            entry !== '' && !/^(PATH|HOME|HOSTNAME|TERM|KUBERNETES_SERVICE_(HOST|PORT)|KW_[A-Z_]+)=/.test(entry),
        );
    const expected = names.map((name) => `${name}=value of ${name}\n`).sort();

    it('has every name that Kubernetes allows, and no variables of a shell', async () => {
      await client.createPod('names', main(env, ['cat', '/proc/self/environ']));
      await client.podInPhase('names', 'Succeeded');
      expect(own(await log('names')).sort()).to.deep.equal(expected);
    });

    for (const tty of [false, true]) {
      it(`is the same for an exec ${tty ? 'with' : 'without'} a terminal`, async () => {
        const pod = `exec-${tty}`;
        await client.createPod(pod, { ...main(env, ['sleep', '100']), terminationGracePeriodSeconds: 0 });
        await client.podInPhase(pod, 'Running');
        const { stdout, status } = await client.exec(pod, { command: ['cat', '/proc/self/environ'], tty });
        expect(status.status).to.equal('Success');
        expect(own(stdout.toString().replaceAll('\r\n', '\n')).sort()).to.deep.equal(expected);
      });
    }

    it('starts a program with an equals sign in its name', async () => {
      await client.createPod('equals', main([], ['sh', '-c', 'cp /bin/echo /tmp/kw-a=b && exec /tmp/kw-a=b ran']));
      await client.podInPhase('equals', 'Succeeded');
      await client.createPod('missing', main([], ['kw-a=b']));
      const { status } = await client.podWhen('missing', (pod) => pod.status.phase === 'Failed');
      expect(status.containerStatuses[0].state.terminated?.reason).to.equal('StartError');
    });

    const big = (bytes: number): object[] => [{ name: 'BIG', value: 'x'.repeat(bytes - 'BIG='.length) }];

    it(`accepts an entry of ${longestEntryBytes} bytes, also for an exec with a terminal`, async () => {
      await client.createPod('longest', {
        ...main(big(longestEntryBytes), ['sh', '-c', 'echo ${#BIG}; sleep 100']),
        terminationGracePeriodSeconds: 0,
      });
      await client.podInPhase('longest', 'Running');
      while ((await log('longest')) !== `${longestEntryBytes - 4}\n`);
      for (const tty of [false, true]) {
        const { stdout } = await client.exec('longest', { command: ['sh', '-c', 'echo ${#BIG}'], tty });
        expect(stdout.toString().trim()).to.equal(String(longestEntryBytes - 4));
      }
    });

    for (const [title, entries] of [
      [`an entry of ${longestEntryBytes + 1} bytes`, big(longestEntryBytes + 1)],
      [
        '3 MB in 30 entries',
        Array.from({ length: 30 }, (_, index) => ({ name: `E${index}`, value: 'x'.repeat(100_000) })),
      ],
    ] as const) {
      it(`ends the container with the message of a container runtime if the kernel refuses ${title}`, async () => {
        const pod = entries.length === 1 ? 'one' : 'many';
        await client.createPod(pod, main([...entries], ['sh', '-c', 'true']));
        const { status } = await client.podWhen(pod, ({ status: now }) => now.phase === 'Failed');
        expect(status.reason).to.equal(undefined);
        expect(status.containerStatuses[0].state.terminated).to.include({ exitCode: 255, reason: 'Error' });
        expect(await log(pod)).to.equal('exec sh: argument list too long\n');
      });
    }
  });
}

it('The embedded cluster closes after the kernel refuses the environment of a container, and leaves nothing open', async () => {
  const tripwire = await Tripwire.set();
  const cluster = await EmbeddedCluster.start({ isolation: 'mapped' });
  const client = new ClusterClient(cluster);
  const env = [{ name: 'BIG', value: 'x'.repeat(200_000) }];
  await client.createPod('big', { containers: [{ name: 'main', image: 'x', command: ['sleep', '100'], env }] });
  await client.podWhen(
    'big',
    ({ status }) => status.containerStatuses?.[0].state.terminated !== undefined || status.phase === 'Failed',
  );
  await cluster.close();
  await tripwire.check();
});
