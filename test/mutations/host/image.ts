import type { Mutant } from '../../../scripts/mutant.ts';

const problems = { specs: ['test/unit/scripts/image-problems.spec.ts'] };
const example = { specs: ['test/unit/service/cluster-example.spec.ts'] };

/** Changes of the checks of the image, and of the example for clusters, that a test must detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'an image whose user is a name is accepted',
    file: 'scripts/image/image-problems.ts',
    find: "if (!/^[1-9]\\d*:[1-9]\\d*$/.test(User ?? ''))",
    replace: "if (User === '')",
    killedBy: problems,
  },
  {
    name: 'a folder that every user may write to is accepted without the sticky bit',
    file: 'scripts/image/image-problems.ts',
    find: "if (isOpen && !(type === 'directory' && (mode & sticky) !== 0))",
    replace: "if (isOpen && type !== 'directory')",
    killedBy: problems,
  },
  {
    name: 'the example grants a permission that no worker needs',
    file: 'examples/cluster/service.yaml',
    find: 'resources: [pods/log]\n    verbs: [get]',
    replace: 'resources: [pods/log, secrets]\n    verbs: [get]',
    killedBy: example,
  },
  {
    name: 'the replicas of the example are killed before their transfers have to end',
    file: 'examples/cluster/service.yaml',
    find: 'terminationGracePeriodSeconds: 60',
    replace: 'terminationGracePeriodSeconds: 30',
    killedBy: example,
  },
];
