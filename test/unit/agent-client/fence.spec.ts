import { Readable } from 'node:stream';

import { expect } from 'chai';

import { LeaseLostError } from '../../../src/errors/repository.ts';
import { rejection } from '../../support/rejection.ts';
import { ScriptedClient } from '../../support/scripted-client.ts';
import { settle } from '../../support/virtual-clock.ts';

describe('AgentClient.fence', () => {
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

  it('sends the generation, and resolves with RESULT', async () => {
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

  it('rejects with LeaseLostError if the agent has a later generation', async () => {
    const fencing = rejection(setup.client.fence(7));
    const { agent } = await setup.opened('fence');
    agent.json('ERROR', { code: 'STALE_GENERATION', message: 'later', generation: 8 });
    expect(await fencing)
      .to.be.instanceOf(LeaseLostError)
      .and.include({ handle: 'box' });
  });

  it('sends the generation with an upload, which rejects with LeaseLostError if the agent has a later one', async () => {
    const upload = rejection(setup.client.receive({ volume: 'v', generation: 7 }, Readable.from([Buffer.alloc(1024)])));
    const { agent, open } = await setup.opened('receive');
    expect(open).to.include({ generation: 7 });
    agent.json('ERROR', { code: 'STALE_GENERATION', message: 'later', generation: 8 });
    expect(await upload)
      .to.be.instanceOf(LeaseLostError)
      .and.include({ handle: 'v', retryable: false });
  });

  it('sends no generation to an agent without generations, neither for a fence nor an upload', async () => {
    speaking(2);
    await setup.client.fence(7);
    const upload = setup.client.receive({ volume: 'v', generation: 7 }, Readable.from([Buffer.alloc(1024)]));
    upload.catch(() => undefined);
    const { open } = await setup.opened('receive');
    expect(open).not.to.have.property('generation');
  });
});
