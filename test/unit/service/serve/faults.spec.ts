import { EventEmitter } from 'node:events';

import { expect } from 'chai';
import sinon from 'sinon';

import { FakeLogger } from '../../../../fakes/index.ts';
import { endOnFaults } from '../../../../src/service/serve/faults.ts';

describe('endOnFaults', () => {
  for (const event of ['unhandledRejection', 'uncaughtException'])
    it(`logs an ${event}, and ends the process even if the log fails`, () => {
      const [emitter, logger, exit, error] = [new EventEmitter(), new FakeLogger(), sinon.stub(), new Error('fault')];
      const end = endOnFaults(emitter, logger, exit);
      emitter.emit(event, error);
      sinon.assert.calledOnceWithMatch(logger.error, sinon.match.string, { error });
      sinon.assert.calledOnce(exit);
      logger.error.throws(new Error('the pipe is closed'));
      expect(() => emitter.emit(event, error)).to.throw('the pipe');
      sinon.assert.calledTwice(exit);
      end();
      expect(emitter.listenerCount(event)).to.equal(0);
    });
});
