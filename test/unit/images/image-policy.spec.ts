import { expect } from 'chai';
import fc from 'fast-check';

import { InvalidSpecError } from '../../../src/errors/caller.ts';
import {
  compileImagePolicy,
  type ResolvedImage,
  requirePermission,
  resolveImage,
} from '../../../src/images/image-policy.ts';
import { parseImageReference } from '../../../src/images/image-reference.ts';
import type { ImagePolicy, ImageRequest, ImageRule } from '../../../src/runtime/image.ts';

const sha256 = `sha256:${'0'.repeat(64)}`;
const resolve = (policy: ImagePolicy, request: ImageRequest, prefix?: string): ResolvedImage =>
  resolveImage(request, compileImagePolicy(policy, prefix));
const words = ({ chain }: ResolvedImage): string[] =>
  chain.map(({ source, rule, effect }) => [source, rule, effect].filter((word) => word !== undefined).join(' '));
const step = { team: 'main', pipelineName: 'release', stepName: 'build' };

describe('resolveImage', () => {
  context('the sources of an image', () => {
    const policy: ImagePolicy = {
      resourceTypes: { git: 'registry.example/git' },
      rules: [{ name: 'main', team: 'main', image: 'registry.example/team' }],
      defaultImage: 'registry.example/default',
    };

    it('are the step, the resource type, the rules, the default [A4]', () => {
      const metadata = { team: 'main' };
      const own = resolve(policy, { image: 'docker:///own:1', resourceType: 'git', metadata });
      expect(own).to.include({ image: 'own:1', rule: undefined, refusal: undefined });
      expect(words(own)).to.deep.equal(['step chosen', 'rule main passed']);
      const typed = resolve(policy, { resourceType: 'git', metadata });
      expect(typed.image).to.equal('registry.example/git');
      const ruled = resolve(policy, { resourceType: 'other', metadata });
      expect(ruled).to.include({ image: 'registry.example/team', rule: 'main' });
      const otherwise = resolve(policy, { resourceType: 'other', metadata: { team: 'x' } });
      expect(otherwise).to.include({ image: 'registry.example/default', rule: undefined });
      expect(words(otherwise)).to.deep.equal(['step passed', 'resourceType passed', 'default chosen']);
    });

    it('may all be missing: the refusal names the resource type and the option [A5]', () => {
      const { image, refusal } = resolve({ resourceTypes: { git: 'git' } }, { resourceType: 'hg' });
      expect(image).to.equal(undefined);
      expect(refusal).to.include('"hg"').and.include('images.policy');
    });

    it('get the registry prefix if they are short names [A4]', () => {
      const short = { resourceTypes: { git: 'git' }, rules: [{ name: 'r', team: 't', image: 'r' }], defaultImage: 'd' };
      const prefixed = (request: ImageRequest) => resolve(short, request, 'mirror.example').image;
      expect(prefixed({ image: 'own' })).to.equal('mirror.example/own');
      expect(prefixed({ image: 'other.example/own' })).to.equal('other.example/own');
      expect(prefixed({ resourceType: 'git' })).to.equal('mirror.example/git');
      expect(prefixed({ metadata: { team: 't' } })).to.equal('mirror.example/r');
      expect(prefixed({})).to.equal('mirror.example/d');
    });

    it('ignore a type that is only a member of every object', () => {
      expect(resolve({ resourceTypes: {} }, { resourceType: 'constructor' }).image).to.equal(undefined);
    });

    it('refuse a step image that is not a reference', () => {
      expect(() => resolve({}, { image: 'A' })).to.throw(InvalidSpecError, /^image: /);
    });
  });

  context('the precedence of rules', () => {
    const bySpecificity: readonly ImageRule[] = [
      { name: 'all three', step: 'build', pipeline: 'release', team: 'main', image: 'i7' },
      { name: 'step and pipeline', step: 'build', pipeline: 'release', image: 'i6' },
      { name: 'step and team', step: 'build', team: 'main', image: 'i5' },
      { name: 'pipeline and team', pipeline: 'release', team: 'main', image: 'i4' },
      { name: 'step', step: 'build', image: 'i3' },
      { name: 'pipeline', pipeline: 'release', image: 'i2' },
      { name: 'team', team: 'main', image: 'i1' },
      { name: 'everything', image: 'i0' },
    ];

    it('is by specificity: each rule applies when the more specific ones are absent [A4]', () => {
      for (const [index, { name }] of bySpecificity.entries())
        expect(resolve({ rules: bySpecificity.slice(index) }, { metadata: step }).rule).to.equal(name);
    });

    it('does not depend on their order', () => {
      const patterns = fc.constantFrom<Partial<ImageRule>>({}, { allow: ['**/i4'] }, { deny: ['**'] });
      const rules = fc
        .tuple(fc.subarray([...bySpecificity], { minLength: 1 }), fc.array(patterns, { minLength: 8, maxLength: 8 }))
        .map(([chosen, more]) => chosen.map((rule, index) => ({ ...rule, ...more[index] })));
      const permuted = rules.chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
      );
      const subsets = fc.record(
        {
          team: fc.constantFrom('main', 'x'),
          pipelineName: fc.constantFrom('release', 'x'),
          stepName: fc.constantFrom('build', 'x'),
        },
        { requiredKeys: [] },
      );
      fc.assert(
        fc.property(permuted, subsets, ([one, other], metadata) => {
          expect(resolve({ rules: one }, { metadata })).to.deep.equal(resolve({ rules: other }, { metadata }));
        }),
        { numRuns: 200 },
      );
    });

    it('does not apply rules whose criteria differ in one value', () => {
      for (const key of ['team', 'pipelineName', 'stepName'])
        expect(resolve({ rules: bySpecificity.slice(0, 1) }, { metadata: { ...step, [key]: 'x' } }).rule).to.equal(
          undefined,
        );
    });
  });

  context('permission', () => {
    const permit = (rules: readonly Omit<ImageRule, 'name'>[], image: string): ResolvedImage =>
      resolve(
        { rules: rules.map((rule, index) => ({ name: `r${String(index)}`, ...rule })) },
        { image, metadata: step },
      );
    const isPermitted = (rules: readonly Omit<ImageRule, 'name'>[], image: string): boolean =>
      permit(rules, image).refusal === undefined;

    it('is given where no rule decides', () => {
      expect(isPermitted([], 'busybox')).to.equal(true);
      expect(isPermitted([{ deny: ['docker.io/**'] }], 'registry.example/a')).to.equal(true);
    });

    it('names the rule that refuses, and the image', () => {
      const explanation = permit([{ team: 'main', deny: ['docker.io/**'] }], 'busybox');
      expect(explanation).to.include({ image: 'busybox', rule: 'r0' });
      expect(explanation.refusal).to.include('"r0"').and.include('busybox');
      expect(words(explanation)).to.deep.equal(['step chosen', 'rule r0 denied']);
    });

    it('names the rule that permits', () => {
      const explanation = permit([{ allow: ['registry.example/**'] }], 'registry.example/a');
      expect(explanation).to.include({ rule: 'r0', refusal: undefined });
    });

    it('is refused to what a list of permitted images lacks', () => {
      expect(isPermitted([{ allow: ['registry.example/team/*'] }], 'registry.example/team/a:1')).to.equal(true);
      expect(isPermitted([{ allow: ['registry.example/team/*'] }], 'registry.example/other/a')).to.equal(false);
      expect(isPermitted([{ allow: [] }], 'registry.example/team/a')).to.equal(false);
    });

    it('is decided by the more specific rule, and by deny within a rule', () => {
      const general = { deny: ['docker.io/**'] };
      const special = { team: 'main', allow: ['docker.io/library/busybox'] };
      expect(isPermitted([general, special], 'busybox')).to.equal(true);
      expect(isPermitted([general, special], 'debian')).to.equal(false);
      expect(isPermitted([{ allow: ['**'], deny: ['**/a'] }], 'registry.example/a')).to.equal(false);
    });

    it('passes from a rule that only denies other images to the next rule', () => {
      const rules = [{ team: 'main', deny: ['**:latest'] }, { deny: ['docker.io/**'] }];
      expect(words(permit(rules, 'busybox:1'))).to.deep.equal(['step chosen', 'rule r0 passed', 'rule r1 denied']);
    });

    it('applies to the images of the policy as well', () => {
      const rules = [{ name: 'r', image: 'busybox', deny: ['docker.io/**'] }];
      expect(resolve({ rules }, {}).refusal).to.include('"r"');
    });
  });
});

describe('requirePermission', () => {
  const policy = compileImagePolicy({ rules: [{ name: 'no hub', team: 'main', deny: ['docker.io/**'] }] }, undefined);
  const require = (metadata: object) => (): void =>
    requirePermission('sidecars[0].image', parseImageReference('x', 'postgres:17'), metadata, policy);

  it('throws for an image that a matching rule refuses, with the field and the rule', () => {
    expect(require({ team: 'main' })).to.throw(
      InvalidSpecError,
      /^sidecars\[0\]\.image: the rule "no hub" .*postgres:17$/,
    );
    require({ team: 'other' })();
  });
});

describe('patterns of image references', () => {
  const matches = (pattern: string, image: string): boolean =>
    resolve({ rules: [{ name: 'r', deny: [pattern] }] }, { image }).refusal !== undefined;

  for (const [pattern, image, expected] of [
    ['docker.io/library/busybox', 'busybox', true],
    ['docker.io/library/busybox', 'docker.io/busybox:1', true],
    ['docker.io/**', 'index.docker.io/team/app', true],
    ['docker.io/*', 'team/app', false],
    ['docker.io/*/*', 'team/app', true],
    ['registry.example/**', 'REGISTRY.Example:443/a/b', true],
    ['registry.example:443/**', 'registry.example/a/b', true],
    ['registry.example/**', 'registry.example:5000/a', false],
    ['registry.example/**', 'xregistry.example/a', false],
    ['*.example/**', 'registry.example/a', true],
    ['**/busybox', 'registry.example/x/busybox', true],
    ['**', 'anything', true],
    ['**:latest', 'registry.example/a', true],
    ['**:latest', 'registry.example/a:1', false],
    ['**:latest', `registry.example/a:latest@${sha256}`, false],
    ['registry.example/a:1.*', 'registry.example/a:1.2', true],
    [`registry.example/a@${sha256}`, `registry.example/a:1@${sha256}`, true],
    ['registry.example/a', `registry.example/a@${sha256}`, true],
    ['localhost/*', 'localhost/a', true],
  ] as const)
    it(`${pattern} ${expected ? 'matches' : 'does not match'} ${image.slice(0, 50)}`, () => {
      expect(matches(pattern, image)).to.equal(expected);
    });

  it('with many stars is compared without delay', () => {
    expect(matches(`${'**a'.repeat(100)}**/b`, `registry.example/${'a'.repeat(200)}`)).to.equal(false);
  });

  for (const pattern of ['', 'busybox', '*', 'team/app', 'a b/c', 'registry.example/(a|b)', 'x'.repeat(513)])
    it(`refuses ${JSON.stringify(pattern.slice(0, 30))}, which matches nothing or is no pattern`, () => {
      expect(() => compileImagePolicy({ rules: [{ name: 'r', allow: ['**', pattern] }] }, undefined))
        .to.throw(InvalidSpecError)
        .with.property('field', 'images.policy.rules[0].allow[1]');
    });
});

describe('compileImagePolicy', () => {
  for (const [field, policy] of Object.entries<ImagePolicy>({
    'images.policy.resourceTypes.git': { resourceTypes: { git: 'GIT' } },
    'images.policy.defaultImage': { defaultImage: '' },
    'images.policy.rules[1].image': { rules: [{ name: 'a' }, { name: 'b', team: 't', image: 'a b' }] },
    'images.policy.rules[0].name': { rules: [{ name: '' }] },
    'images.policy.rules[1].name': { rules: [{ name: 'a' }, { name: 'a', team: 't' }] },
    'images.policy.rules[1]': {
      rules: [
        { name: 'a', team: 't', step: 's' },
        { name: 'b', step: 's', team: 't' },
      ],
    },
  }))
    it(`refuses an invalid ${field}`, () => {
      expect(() => compileImagePolicy(policy, undefined))
        .to.throw(InvalidSpecError)
        .with.property('field', field);
    });
});
