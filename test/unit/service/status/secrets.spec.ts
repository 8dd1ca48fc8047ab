import { expect } from 'chai';

import { FakeContainer } from '../../../../fakes/index.ts';
import { InvalidSpecError } from '../../../../src/index.ts';
import { OpenApi } from '../../../support/service/openapi.ts';
import { StatusRig } from '../../../support/service/status-rig.ts';

const secret = 'planted-secret-5f2c';

/** Fields that no type declares, as a later version of the library may add them. */
const more = { env: { PASSWORD: secret }, params: { key: secret }, settings: { env: { A: secret } }, message: secret };

describe('No response of the status server', () => {
  it('has an environment value, a parameter, a property, a text of a program or an unknown field', async () => {
    const rig = await StatusRig.create();
    const container = new FakeContainer();
    const { worker } = rig;
    const at = new Date(0);
    worker.info.resolves({
      name: 'w',
      state: 'running',
      activeContainers: 0,
      activeVolumes: 0,
      registeredAt: at,
      ...more,
    });
    worker.leadership.returns({ role: 'leader', confirmedAt: at, ...more });
    const never = { beganAt: undefined, succeededAt: undefined, failedAt: undefined, failure: undefined };
    worker.controllers.returns([{ ...never, name: 'reaper', everyMs: 1, ...more }]);
    const places = { used: 0, waiting: 0, limit: 1, ...more };
    const load = { uploads: places, downloads: places, attachments: places, controls: places, quotaQueue: places };
    worker.load.returns({ ...load, ...more });
    const owner = { kind: 'k', key: 'k', ...more };
    const row = { handle: 'c', owner, state: 'kept', podName: 'p', podUid: 'u', createdAt: at } as const;
    const info = { ...row, metadata: { ...more, type: 'task' }, ...more } as const;
    worker.listContainers.resolves({ containers: [info], ...more });
    const volume = { handle: 'v', kind: 'dir', state: 'created', store: 'pod', createdAt: at } as const;
    worker.listVolumes.resolves({ volumes: [{ ...volume, ...more, location: { bucket: secret } } as typeof volume] });
    worker.lookupContainer.resolves(container);
    worker.explainImage.resolves({ image: 'i', refusal: undefined, rule: undefined, chain: [], warnings: [], ...more });
    container.properties.resolves({ token: secret });
    const termination = { exitCode: 1, ...more };
    const condition = { type: 'Ready', status: 'False', ...more };
    const main = { name: 'main', image: 'i', restarts: 0, lastTermination: termination, ...more };
    container.describe.resolves({
      podName: 'p',
      podUid: 'u',
      phase: 'Failed',
      conditions: [condition],
      containers: [{ ...main, state: { kind: 'terminated', termination } }],
      events: [{ type: 'Warning', reason: 'Failed', count: 1, ...more }],
      ...more,
    });
    const process = {
      id: 'task',
      state: 'ended',
      result: { exitStatus: 0, ...more },
      spec: { args: [secret] },
    } as const;
    const error = new InvalidSpecError('field', 'is wrong', { cause: secret });
    worker.listProcesses.resolves({
      processes: [{ container: info, process, ...more }],
      unavailable: [{ container: info, error, ...more }],
      ...more,
    });
    container.findProcess.resolves(process);
    for (const path of (await OpenApi.load()).paths.filter((each) => !each.endsWith('/logs'))) {
      const { status, body } = await rig.ask(path.replace('{handle}', 'c').replace('{id}', 'c:task'));
      expect(status, path).to.equal(200);
      expect(JSON.stringify(body), path).to.not.contain(secret);
    }
  });

  it('repeats what the client has sent', async () => {
    const rig = await StatusRig.create();
    for (const url of [
      `/${secret}`,
      `/containers?limit=${secret}`,
      `/api/v1/tasks/${secret}`,
      `/tasks?container=%00${secret}`,
    ])
      expect(JSON.stringify((await rig.ask(url)).body), url).to.not.contain(secret);
  });
});
