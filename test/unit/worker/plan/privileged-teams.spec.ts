import { expect } from 'chai';

import { InvalidSpecError } from '../../../../src/errors/caller.ts';
import { checkPrivileged } from '../../../../src/worker/plan/privileged-teams.ts';

const privileged = { privileged: true } as const;

describe('checkPrivileged', () => {
  for (const [permitted, team] of [
    ['all', undefined],
    ['all', 'web'],
    [['ops', 'web'], 'web'],
  ] as const)
    it(`permits team ${String(team)} a privileged container if the option is ${JSON.stringify(permitted)}`, () => {
      checkPrivileged(privileged, { team }, permitted);
    });

  for (const [permitted, team] of [
    [[], 'web'],
    [[], undefined],
    [['ops'], 'web'],
    [['ops'], undefined],
    [['undefined'], undefined],
    [['all'], 'web'],
  ] as const)
    it(`refuses it to team ${String(team)} if the option is ${JSON.stringify(permitted)}`, () => {
      expect(() => checkPrivileged(privileged, { team }, permitted))
        .to.throw(InvalidSpecError, 'privilegedTeams')
        .with.property('field', 'privileged');
    });

  it('permits a container that is not privileged to every team', () => {
    checkPrivileged({ privileged: false }, {}, []);
    checkPrivileged({}, { team: 'web' }, []);
  });
});
