import { expect } from 'chai';

import {
  egressPolicy,
  egressPolicyName,
  ownPolicy,
  permittingPolicies,
  policyProblem,
} from '../../../src/hermetic/egress-policy.ts';
import type { NetworkPolicy } from '../../../src/kubernetes/cluster.ts';

type Spec = NonNullable<NetworkPolicy['spec']>;

const label = 'kubernetes-worker/hermetic';
const own = (change: Partial<Spec>): NetworkPolicy => ({
  metadata: { name: egressPolicyName },
  spec: { podSelector: { matchLabels: { [label]: 'true' } }, policyTypes: ['Egress'], ...change },
});

describe('the network policy of hermetic pods', () => {
  it('selects them by their label, and lists no rule for egress, not even for DNS', () => {
    expect(egressPolicy().spec).to.deep.equal({
      podSelector: { matchLabels: { [label]: 'true' } },
      policyTypes: ['Egress'],
    });
    expect(policyProblem(egressPolicy())).to.equal(undefined);
  });

  it('is found by its name', () => {
    expect(ownPolicy([{ metadata: { name: 'other' } }, egressPolicy()])).to.deep.equal(egressPolicy());
    expect(ownPolicy([{ metadata: { name: 'other' } }])).to.equal(undefined);
  });

  for (const [title, change] of [
    ['with an empty list of rules', { egress: [] }],
    ['that also restricts what pods receive', { policyTypes: ['Ingress', 'Egress'], ingress: [] }],
    ['that selects all pods', { podSelector: {} }],
  ] as const)
    it(`is accepted ${title}`, () => {
      expect(policyProblem(own(change as Partial<Spec>))).to.equal(undefined);
    });

  for (const [title, change, problem] of [
    ['for ingress alone', { policyTypes: ['Ingress'] }, 'does not apply to egress'],
    ['without types', { policyTypes: undefined }, 'does not apply to egress'],
    ['with a rule', { egress: [{}] }, 'has rules that permit egress'],
    ['for another label', { podSelector: { matchLabels: { a: 'b' } } }, `does not select all pods with the`],
    ['for another value', { podSelector: { matchLabels: { [label]: 'x' } } }, 'does not select all pods with the'],
    [
      'for fewer pods',
      { podSelector: { matchLabels: { [label]: 'true' }, matchExpressions: [{ key: 'a', operator: 'Exists' }] } },
      `does not select all pods with the label ${label}=true`,
    ],
  ] as const)
    it(`differs ${title}`, () => {
      expect(policyProblem(own(change as unknown as Partial<Spec>))).to.match(
        new RegExp(`^${egressPolicyName} ${problem}`),
      );
    });
});

describe('permittingPolicies', () => {
  const labels = { [label]: 'true', team: 'web' };
  const permits = (podSelector: object | undefined, egress: object[] = [{}]): boolean =>
    permittingPolicies([{ metadata: { name: 'p' }, spec: { podSelector, egress } as Spec }], labels).length > 0;
  const requires = (key: string, operator: string, values?: string[]): boolean =>
    permits({ matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }] });

  it('returns the policies with rules for egress that select the pod', () => {
    expect(permits({})).to.equal(true);
    expect(permits(undefined)).to.equal(true);
    expect(permits({ matchLabels: { team: 'web' } })).to.equal(true);
    expect(permits({}, [])).to.equal(false);
    expect(permits({ matchLabels: { team: 'api' } })).to.equal(false);
    expect(permits({ matchLabels: { team: 'web', other: 'x' } })).to.equal(false);
  });

  it('evaluates each operator of a selector, and takes an unknown one as selecting', () => {
    expect(requires('team', 'In', ['web', 'api'])).to.equal(true);
    expect(requires('team', 'In', ['api'])).to.equal(false);
    expect(requires('none', 'In', ['api'])).to.equal(false);
    expect(requires('team', 'NotIn', ['web'])).to.equal(false);
    expect(requires('none', 'NotIn', ['web'])).to.equal(true);
    expect(requires(label, 'Exists')).to.equal(true);
    expect(requires('none', 'Exists')).to.equal(false);
    expect(requires(label, 'DoesNotExist')).to.equal(false);
    expect(requires('none', 'DoesNotExist')).to.equal(true);
    expect(requires('team', 'Later')).to.equal(true);
  });
});
