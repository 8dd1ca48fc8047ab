import { expect } from 'chai';

import { hostMask } from '../../../src/internal/host-mask.ts';
import type { Logger } from '../../../src/runtime/options.ts';
import { silentLogger } from '../../support/silent-logger.ts';

describe('hostMask', () => {
  let logged: unknown[];
  const logger: Logger = { ...silentLogger, warn: (...args) => void logged.push(args) };

  beforeEach(() => {
    logged = [];
  });

  it("returns what the host's function returns, and the text itself without one", () => {
    expect(hostMask((text) => text.replace('s3cret', '***'), logger)('is s3cret')).to.equal('is ***');
    expect(hostMask(undefined, logger)('is s3cret')).to.equal('is s3cret');
    expect(logged).to.deep.equal([]);
  });

  it("returns nothing and logs a warning without the text if the host's function throws or returns no text", () => {
    const failing = (text: string): string => {
      throw new Error(`cannot mask ${text}`);
    };
    for (const mask of [failing, () => undefined as unknown as string]) {
      expect(hostMask(mask, logger)('is s3cret')).to.equal(undefined);
    }
    expect(logged).to.have.length(2);
    expect(JSON.stringify(logged)).to.not.include('s3cret');
  });
});
