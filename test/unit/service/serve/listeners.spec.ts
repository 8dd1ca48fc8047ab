import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger } from '../../../../fakes/index.ts';
import { ListenError, type ListenerPlan, startListeners } from '../../../../src/service/serve/listeners.ts';
import { rejection } from '../../../support/rejection.ts';

describe('startListeners', () => {
  const close = sinon.stub().resolves();
  const plan = (section: string, start: ListenerPlan['start']): ListenerPlan => ({
    name: `the server ${section}`,
    section,
    host: '127.0.0.1',
    port: 9393,
    start,
  });
  const listening = async () => ({ url: 'http://127.0.0.1:9393', close });

  it('names the address and its keys if the port is in use, and closes those that listen', async () => {
    const refused = async (): Promise<never> =>
      await Promise.reject(Object.assign(new Error('listen EADDRINUSE'), { code: 'EADDRINUSE' }));
    const error = await rejection(
      startListeners([plan('status', listening), plan('metrics', refused)], new FakeLogger()),
    );
    expect(error).to.be.instanceOf(ListenError);
    expect(error.message).to.equal(
      'the server metrics cannot listen on 127.0.0.1, port 9393: the port is in use; set metrics.host or ' +
        'metrics.port to an address that is free',
    );
    sinon.assert.calledOnce(close);
  });

  it('rejects with any other error as it is', async () => {
    const fault = new Error('fault');
    const failing = async (): Promise<never> => await Promise.reject(fault);
    expect(await rejection(startListeners([plan('status', failing)], new FakeLogger()))).to.equal(fault);
  });
});
