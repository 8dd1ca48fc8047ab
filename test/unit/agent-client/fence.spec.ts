import { Readable } from 'node:stream';

import { expect } from 'chai';

import { LeaseLostError } from '../../../src/errors/repository.ts';
import { rejection } from '../../support/rejection.ts';
import { ScriptedClient } from '../../support/scripted-client.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('a fence', () => {
  let setup: ScriptedClient;
  const speaking = (protocol: number): void => {
    setup.onConnect = (agent) => agent.hello({ protocol: [1, protocol] });
  };

  beforeEach(() => {
    setup = new ScriptedClient();
    speaking(3);
  });

  afterEach(async () => {
    setup.client.close();
    await settle();
    expect(setup.clock.sleeping, 'timers left').to.equal(0);
  });

  it('is set with the generation, and resolves with the answer of the agent', async () => {
    let isSet = false;
    const fencing = setup.client.fence(7).then(() => (isSet = true));
    const { agent, open } = await setup.opened('fence');
    expect(open).to.include({ generation: 7 });
    agent.json('PROGRESS', {});
    await settle();
    expect(isSet).to.equal(false);
    agent.json('RESULT', { generation: 7 });
    await fencing;
  });

  it('of a later generation is a lost lease', async () => {
    const fencing = rejection(setup.client.fence(7));
    const { agent } = await setup.opened('fence');
    agent.json('ERROR', { code: 'STALE_GENERATION', message: 'later', generation: 8 });
    expect(await fencing)
      .to.be.instanceOf(LeaseLostError)
      .and.include({ handle: 'box' });
  });

  it('lets an upload of its generation carry it, which is a lost lease where the agent knows a later one', async () => {
    const upload = rejection(setup.client.receive({ volume: 'v', generation: 7 }, Readable.from([Buffer.alloc(1024)])));
    const { agent, open } = await setup.opened('receive');
    expect(open).to.include({ generation: 7 });
    agent.json('ERROR', { code: 'STALE_GENERATION', message: 'later', generation: 8 });
    expect(await upload)
      .to.be.instanceOf(LeaseLostError)
      .and.include({ handle: 'v', retryable: false });
  });

  it('is not sent to an agent that knows no generations, nor with its uploads', async () => {
    speaking(2);
    await setup.client.fence(7);
    const upload = setup.client.receive({ volume: 'v', generation: 7 }, Readable.from([Buffer.alloc(1024)]));
    upload.catch(() => undefined);
    const { open } = await setup.opened('receive');
    expect(open).not.to.have.property('generation');
  });
});
