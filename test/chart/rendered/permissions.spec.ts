import type { V1PolicyRule } from '@kubernetes/client-node';
import { expect } from 'chai';

import {
  hermeticPermissions,
  optionalClusterPermissions,
  permissionsFor,
  type RequiredPermission,
  requiredPermissions,
  tokenReviewPermissions,
} from '../../../src/kubernetes/required-permissions.ts';
import { render } from '../../support/chart/helm.ts';
import { ofKind, oneOfKind, type RenderedObject } from '../../support/chart/rendered-object.ts';
import { forEachValueSet } from '../../support/chart/value-sets.ts';
import type { Values } from '../../support/chart/values.ts';

const withoutExtraRules = { rbac: { extraRules: [] } };

describe('the permissions of the service', () => {
  it('are those that the library needs, and no other', async () => {
    const { rules } = oneOfKind(await render({ profile: 'minimal' }), 'Role');
    expect(granted(rules)).to.deep.equal(needed([...requiredPermissions, ...hermeticPermissions]));
  });

  it('leave out those that the configuration makes unnecessary', async () => {
    const config = { worker: { podObservation: 'poll', agentConfigMap: 'existing' } };
    const { rules } = oneOfKind(await render({ profile: 'minimal', values: { config } }), 'Role');
    const permissions = permissionsFor({ podObservation: 'poll', agentConfigMap: 'existing' });
    expect(granted(rules)).to.deep.equal(needed([...permissions, ...hermeticPermissions]));
  });

  it('include the pull secrets by name, if images are checked', async () => {
    const secrets = async (config: Values): Promise<readonly string[]> => {
      const { rules } = oneOfKind(await render({ profile: 'minimal', values: { config } }), 'Role');
      return granted(rules).filter((permission) => permission.includes('secrets'));
    };
    const pods = { imagePullSecrets: ['one', 'two'] };
    expect(await secrets({ pods })).to.deep.equal([]);
    expect(await secrets({ images: { preflight: 'warn' } })).to.deep.equal([]);
    expect(await secrets({ pods, images: { preflight: 'warn' } })).to.deep.equal([
      'get secrets one',
      'get secrets two',
    ]);
  });

  it('are in the namespace of the steps, for the service account of the service', async () => {
    const values = { steps: { namespace: 'elsewhere' } };
    const objects = await render({ profile: 'minimal', values });
    const role = oneOfKind(objects, 'Role');
    const binding = oneOfKind(objects, 'RoleBinding');
    expect(role.metadata.namespace).to.equal('elsewhere');
    expect(binding.metadata.namespace).to.equal('elsewhere');
    expect(binding.roleRef).to.deep.equal({
      apiGroup: 'rbac.authorization.k8s.io',
      kind: 'Role',
      name: role.metadata.name,
    });
    const name = oneOfKind(objects, 'Deployment').spec?.template.spec?.serviceAccountName;
    expect(binding.subjects).to.deep.equal([{ kind: 'ServiceAccount', name, namespace: 'ci' }]);
  });

  it('include none of the cluster unless the values ask for them, and then those of the library', async () => {
    const ofCluster = async (values: Values): Promise<readonly string[]> => {
      const objects = await render({ profile: 'minimal', values });
      return ofKind(objects, 'ClusterRole')
        .flatMap(({ rules }) => granted(rules))
        .sort();
    };
    expect(await ofCluster({})).to.deep.equal([]);
    expect(await ofCluster({ rbac: { cluster: true } })).to.deep.equal(needed(optionalClusterPermissions));
    const config = { status: { auth: 'tokenReview' } };
    expect(await ofCluster({ rbac: { cluster: true }, config })).to.deep.equal(
      needed([...optionalClusterPermissions, ...tokenReviewPermissions]),
    );
  });

  forEachValueSet('include nothing that lets the service raise them', async (_, { options }) => {
    const values = { ...options.values, ...withoutExtraRules };
    for (const permission of allGranted(await render({ ...options, values }))) {
      expect(permission).not.to.contain('*');
      const [verb = '', resource = '', name] = permission.split(' ');
      expect(verb, permission).not.to.be.oneOf([
        'bind',
        'escalate',
        'impersonate',
        'patch',
        'update',
        'deletecollection',
      ]);
      const [, group = '', kind = ''] = /^(?:([^/]*\.[^/]*|apps|batch|policy)\/)?(.*)$/.exec(resource) ?? [];
      expect(group, permission).not.to.be.oneOf([
        'apps',
        'batch',
        'rbac.authorization.k8s.io',
        'policy',
        'admissionregistration.k8s.io',
      ]);
      expect(kind, permission).not.to.be.oneOf([
        'serviceaccounts',
        'namespaces',
        'persistentvolumes',
        'pods/attach',
        'pods/portforward',
        'pods/ephemeralcontainers',
      ]);
      if (kind === 'secrets')
        expect(verb === 'get' && name !== undefined, `${permission}: only get, by name`).to.equal(true);
    }
  });

  forEachValueSet('steps have none', (objects) => {
    const accounts = ofKind(objects, 'ServiceAccount').filter(
      ({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === 'steps',
    );
    const subjects = [...ofKind(objects, 'RoleBinding'), ...ofKind(objects, 'ClusterRoleBinding')].flatMap(
      (binding) => binding.subjects ?? [],
    );
    for (const { metadata, automountServiceAccountToken } of accounts) {
      expect(automountServiceAccountToken, metadata.name).to.equal(false);
      expect(subjects.filter(({ name }) => name === metadata.name)).to.deep.equal([]);
    }
    for (const { kind } of subjects) expect(kind).to.equal('ServiceAccount');
  });

  forEachValueSet('every binding has its role and its account, or that of the user', (objects) => {
    const accounts = ofKind(objects, 'ServiceAccount').map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    for (const [binding, role] of [
      ['RoleBinding', 'Role'],
      ['ClusterRoleBinding', 'ClusterRole'],
    ] as const)
      for (const { metadata, roleRef, subjects = [] } of ofKind(objects, binding)) {
        const roles = ofKind(objects, role).filter((r) => r.metadata.namespace === metadata.namespace);
        expect(
          roles.map((r) => r.metadata.name),
          metadata.name,
        ).to.include(roleRef.name);
        if (accounts.length === 0) continue;
        // Further subjects are accounts of hosts, which need nothing outside the namespace of the steps.
        const [own, ...further] = subjects;
        expect(accounts, metadata.name).to.include(`${own?.namespace}/${own?.name}`);
        if (binding === 'ClusterRoleBinding') expect(further, metadata.name).to.deep.equal([]);
      }
  });

  it("are the user's with rbac.create: false", async () => {
    const objects = await render({ profile: 'minimal', values: { rbac: { create: false, cluster: false } } });
    expect(objects.filter(({ kind }) => /Role/.test(kind))).to.deep.equal([]);
  });
});

function allGranted(objects: readonly RenderedObject[]): readonly string[] {
  return [...ofKind(objects, 'Role'), ...ofKind(objects, 'ClusterRole')].flatMap(({ rules }) => granted(rules));
}

/** Returns each permission of rules as `verb group/resource [name]`, sorted. */
function granted(rules: readonly V1PolicyRule[] = []): readonly string[] {
  return rules
    .flatMap(({ apiGroups = [], resources = [], verbs, resourceNames }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) =>
          verbs.flatMap((verb) =>
            (resourceNames ?? [undefined]).map((name) => permissionText(verb, group, resource, name)),
          ),
        ),
      ),
    )
    .sort();
}

function needed(permissions: readonly RequiredPermission[]): readonly string[] {
  return permissions
    .flatMap(({ verbs, apiGroup, resource, name }) =>
      verbs.map((verb) => permissionText(verb, apiGroup, resource, name)),
    )
    .sort();
}

function permissionText(verb: string, group: string, resource: string, name: string | undefined): string {
  return [verb, group === '' ? resource : `${group}/${resource}`, ...(name === undefined ? [] : [name])].join(' ');
}
