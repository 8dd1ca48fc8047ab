import type { Mutant } from '../../../scripts/mutant.ts';

const references = { specs: ['test/unit/images/image-reference.spec.ts'] };
const policies = { specs: ['test/unit/images/image-policy.spec.ts'] };
const registries = { specs: ['test/unit/images/registry-client.spec.ts'] };
const preflights = { specs: ['test/unit/images/image-preflight.spec.ts'] };

/** Mutants of `src/images`. */
export const mutants: readonly Mutant[] = [
  {
    name: 'a short name keeps its place in the runtime of the node despite a prefix',
    file: 'src/images/image-reference.ts',
    find: 'if (reference.registry !== undefined || prefix === undefined) return reference;',
    replace: "if (reference.registry !== undefined || prefix === undefined || prefix !== '') return reference;",
    killedBy: references,
  },
  {
    name: 'a rule with fewer criteria precedes',
    file: 'src/images/image-policy.ts',
    find: 'specificity(b.rule) - specificity(a.rule)',
    replace: 'specificity(a.rule) - specificity(b.rule)',
    killedBy: policies,
  },
  {
    name: 'the order of rules matters',
    file: 'src/images/image-policy.ts',
    find: 'return has.filter(Boolean).length * 2 ** criteria.length + ranks.reduce((sum, rank) => sum + rank, 0);',
    replace: 'return has.filter(Boolean).length + 0 * ranks.length;',
    killedBy: policies,
  },
  {
    name: 'a list of permitted images permits all others',
    file: 'src/images/image-policy.ts',
    find: "? 'allowed' : 'denied';",
    replace: "? 'allowed' : 'passed';",
    killedBy: policies,
  },
  {
    name: 'the tag of a reference with a digest counts',
    file: 'src/images/image-reference.ts',
    find: "version: digest ?? tag ?? 'latest',",
    replace: "version: tag ?? digest ?? 'latest',",
    killedBy: references,
  },
  {
    name: 'a redirect to another host receives the credential',
    file: 'src/images/registry-http.ts',
    find: 'if (next.origin !== url.origin) headers',
    replace: 'if (next.protocol !== url.protocol) headers',
    killedBy: registries,
  },
  {
    name: 'a manifest of another digest is accepted',
    file: 'src/images/registry-client.ts',
    find: 'if (image.isDigest && digest !== image.version)',
    replace: "if (image.isDigest && digest === '')",
    killedBy: registries,
  },
  {
    name: 'a registry that does not answer refuses an image',
    file: 'src/images/image-facts-cache.ts',
    find: 'const entry = { facts: earlier, failure,',
    replace: 'const entry = { facts: earlier && undefined, failure,',
    killedBy: preflights,
  },
  {
    name: 'a finding that is not enforced rejects',
    file: 'src/images/image-preflight.ts',
    find: "if (mode === 'enforce') throw new InvalidSpecError",
    replace: "if (mode !== 'warn' || field) throw new InvalidSpecError",
    killedBy: preflights,
  },
  {
    name: 'a changed policy keeps a host from its container',
    file: 'src/worker/creation/find-or-create-container.ts',
    find: '  const requested = { ...request, images: imagesOf(request, components, { signal }) };\n',
    replace:
      '  const requested = { ...request, images: imagesOf(request, components, { signal }) };\n  await requested.images();\n',
    killedBy: { specs: ['test/unit/worker/creation/find-or-create-container.spec.ts'] },
  },
  {
    name: 'the tag latest is reproducible',
    file: 'src/images/image-warnings.ts',
    find: "(tag !== undefined && tag !== 'latest')",
    replace: 'tag !== undefined',
    killedBy: { specs: ['test/unit/images/image-warnings.spec.ts'] },
  },
  {
    name: 'each step is warned of the tag latest',
    file: 'src/images/image-preflight.ts',
    find: 'if (!course.isCached) this.#warn(request.field, reference);',
    replace: 'this.#warn(request.field, reference);',
    killedBy: preflights,
  },
  {
    name: 'a refused check is not reported',
    file: 'src/images/image-preflight.ts',
    find: 'course.outcome = outcomeOf(found, architecture);',
    replace: '',
    killedBy: preflights,
  },
  {
    name: 'each check counts as cached',
    file: 'src/images/image-preflight.ts',
    find: 'course.isCached = false;',
    replace: '',
    killedBy: preflights,
  },
];
