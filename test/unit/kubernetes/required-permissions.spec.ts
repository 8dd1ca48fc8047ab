import { readFile } from 'node:fs/promises';

import { loadAllYaml } from '@kubernetes/client-node';
import { expect } from 'chai';

import {
  hermeticPermissions,
  optionalClusterPermissions,
  permissionsFor,
  preflightPermissions,
  type RequiredPermission,
  requiredPermissions,
  tokenReviewPermissions,
  usagePermissions,
} from '../../../src/kubernetes/required-permissions.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

async function documentedRules(kind: string): Promise<readonly Rule[]> {
  const text = await readFile(new URL('../../../docs/rbac.md', import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, yaml]) => yaml ?? '');
  const objects = blocks.flatMap((yaml) => loadAllYaml(yaml) as { kind: string; rules: Rule[] }[]);
  return objects.filter((object) => object.kind === kind).flatMap(({ rules }) => rules);
}

function asRules(permissions: readonly RequiredPermission[]): Rule[] {
  const rules = new Map<string, Rule>();
  for (const { apiGroup, resource, verbs } of permissions) {
    const earlier = rules.get(resource)?.verbs ?? [];
    rules.set(resource, { apiGroups: [apiGroup], resources: [resource], verbs: [...earlier, ...verbs].sort() });
  }
  return [...rules.values()];
}

function plain(rules: readonly Rule[]): Rule[] {
  return rules.map(({ apiGroups, resources, verbs }) => ({ apiGroups, resources, verbs }));
}

describe('docs/rbac.md', () => {
  it('has Roles with exactly the required permissions, those of the check of images and of hermetic containers, and that of what a container uses', async () => {
    expect(plain(await documentedRules('Role'))).to.deep.equal([
      ...asRules(requiredPermissions),
      ...asRules(preflightPermissions),
      ...asRules(hermeticPermissions),
      ...asRules(usagePermissions),
    ]);
  });

  it('has ClusterRoles with exactly the optional permissions, and those of the reviews of tokens', async () => {
    expect(plain(await documentedRules('ClusterRole'))).to.deep.equal([
      ...asRules(optionalClusterPermissions),
      ...asRules(tokenReviewPermissions),
    ]);
  });
});

describe('permissionsFor', () => {
  const texts = (permissions: readonly RequiredPermission[]) =>
    permissions.flatMap(({ resource, verbs }) => verbs.map((verb) => `${verb} ${resource}`));
  const all = texts(requiredPermissions);

  it('has every permission for a worker with the defaults', () => {
    for (const options of [{}, { agentConfigMap: 'create', podObservation: 'watch' }] as const)
      expect(texts(permissionsFor(options))).to.deep.equal(all);
  });

  it('lacks what each option makes unnecessary, and nothing else', () => {
    const without = (...unused: string[]) => all.filter((text) => !unused.includes(text));
    expect(texts(permissionsFor({ agentConfigMap: 'existing' }))).to.deep.equal(
      without('create configmaps', 'delete configmaps', 'list configmaps'),
    );
    expect(texts(permissionsFor({ podObservation: 'poll' }))).to.deep.equal(without('watch pods'));
  });
});
