import { expect } from 'chai';

import type { Worker } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { makeContainer, newOwner, sh, type WorkerSetup } from './setup.ts';

/** Kubernetes would replace parts of the value if a pod contained it. */
const value = 'hunter2-$(HOME)-$$';

/** Specifies the secrets of containers, for any cluster. */
export function describeSecrets(setup: () => WorkerSetup): void {
  describe('a container with secrets', () => {
    let worker: Worker;

    before(async () => {
      worker = await setup().open();
      await setup().createSecret('login', { token: value });
    });

    after(async () => {
      await worker.reap();
      await worker.close();
    });

    it('gives the values to commands, and only to the Kubernetes containers that refer to them [A12]', async () => {
      const { image, podJson } = setup();
      const { container, owner } = await makeContainer(worker, image, {
        secretEnv: {
          TOKEN: { secretName: 'login', key: 'token' },
          NONE: { secretName: 'none', key: 'token', optional: true },
        },
        secretMounts: [
          { secretName: 'login', path: 'login', mode: 0o444 },
          { secretName: 'none', path: 'none', optional: true },
        ],
        sidecars: [
          {
            name: 'helper',
            image,
            command: [
              'sh',
              '-c',
              'echo "$PASSWORD ${TOKEN-unset}" > seen; trap "exit 0" TERM; while :; do sleep 0.1; done',
            ],
            secretEnv: { PASSWORD: { secretName: 'login', key: 'token' } },
            dir: '/tmp/build/test',
          },
        ],
      });
      const script = 'printf "%s %s %s%s" "$TOKEN" "${NONE-unset}" "$(cat login/token)" "$(ls none)"';
      expect((await sh(container, script)).stdout).to.equal(`${value} unset ${value}`);
      const env = ['TOKEN=own', 'NONE=given'];
      expect((await sh(container, script, { env })).stdout).to.equal(`own given ${value}`);
      const seen = await sh(container, 'until [ -s seen ]; do sleep 0.05; done; cat seen');
      expect(seen.stdout).to.equal(`${value} unset\n`);
      expect(await podJson(container.podName))
        .to.include('login')
        .and.to.not.include('hunter2');
      await worker.ownerFinished(owner);
    });

    it('fails at once without the secret or the key, and names it without a value', async () => {
      const failure = async (secretName: string, key: string): Promise<unknown> =>
        await rejection(
          worker.findOrCreateContainer(newOwner(), {
            image: setup().image,
            secretEnv: { TOKEN: { secretName, key } },
          }),
        );
      const [noKey, noSecret] = await Promise.all([failure('login', 'other'), failure('none', 'token')]);
      for (const error of [noKey, noSecret]) expect(error).to.include({ code: 'KW_ERR_POD_FAILED' });
      expect(String(noKey)).to.include("couldn't find key other").and.to.not.include('hunter2');
      expect(String(noSecret)).to.include('secret "none" not found');
    });
  });
}
