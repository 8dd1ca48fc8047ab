import { expect } from 'chai';
import { expandVariables } from '../../../../src/embedded/kubelet/expansion.ts';

describe('expandVariables', () => {
  it('replaces known variables, keeps unknown ones, and unescapes', () => {
    const variables = new Map([
      ['A', 'x'],
      ['B', '$(A)'],
    ]);
    expect(expandVariables('$(A)-$(NO)-$$(A)-$(B)-$A-$', variables)).to.equal('x-$(NO)-$(A)-$(A)-$A-$');
  });
});
