import { expect } from 'chai';

import { permissionsTemplate } from '../../../scripts/chart/permissions.ts';
import {
  hermeticPermissions,
  optionalClusterPermissions,
  permissionsFor,
  preflightPermissions,
  type RequiredPermission,
  requiredPermissions,
  tokenReviewPermissions,
} from '../../../src/kubernetes/required-permissions.ts';

type Options = Parameters<typeof permissionsFor>[0];

describe('the rules of the chart', () => {
  const template = permissionsTemplate();

  for (const [name, permissions] of [
    ['hermeticRules', hermeticPermissions],
    ['preflightRules', preflightPermissions],
    ['nodeRules', optionalClusterPermissions],
    ['tokenReviewRules', tokenReviewPermissions],
  ] as const)
    it(`${name} permit what the library needs, and nothing else`, () => {
      expect(permittedBy(rendered(template, name))).to.have.members(neededFor(permissions));
    });

  for (const options of [
    {},
    { agentConfigMap: 'existing' },
    { podObservation: 'poll' },
    { agentConfigMap: 'existing', podObservation: 'poll' },
  ] satisfies readonly Options[])
    it(`permit what a worker with the options ${JSON.stringify(options)} needs, and nothing else`, () => {
      const rules = rendered(template, 'requiredRules', options);
      expect(permittedBy(rules)).to.have.members(neededFor(permissionsFor(options)));
    });

  it('have one rule a resource, also where the library lists several purposes', () => {
    const resources = rendered(template, 'requiredRules').filter((line) => line.includes('resources:'));
    expect(resources.length).to.equal(new Set(requiredPermissions.map(({ resource }) => resource)).size);
  });

  it('limit the pull secrets to those that have names', () => {
    expect(template).to.match(
      /preflightRules[\s\S]*resources: \["secrets"\][\s\S]*resourceNames:\n +\{\{- toYaml \.names/,
    );
  });
});

/** Returns the lines of a template with these options, of which `if` and `ne` are all that it uses. */
function rendered(template: string, name: string, options: Options = {}): readonly string[] {
  const [, body = ''] =
    new RegExp(`define "kubernetes-worker.${name}" -}}\n([\\s\\S]*?)\n{{- end }}\n?(?=\n|$)`).exec(template) ?? [];
  const values: Readonly<Record<string, string | undefined>> = {
    agentConfigMap: 'create',
    podObservation: 'watch',
    ...options,
  };
  let shown = true;
  return body.split('\n').filter((line) => {
    const condition = /\{\{- if ne \.(\w+) "(\w+)" \}\}/.exec(line);
    if (condition !== null) shown = values[condition[1] ?? ''] !== condition[2];
    else if (line.includes('{{- end }}')) shown = true;
    else return shown && !line.includes('{{');
    return false;
  });
}

/** Returns each verb of each resource. */
function permittedBy(lines: readonly string[]): readonly string[] {
  let group = '';
  let resource = '';
  return lines.flatMap((line) => {
    group = /apiGroups: \["(.*)"\]/.exec(line)?.[1] ?? group;
    resource = /resources: \["(.*)"\]/.exec(line)?.[1] ?? resource;
    const verb = /^ {4}- (\w+)$/.exec(line)?.[1];
    return verb === undefined ? [] : [`${verb} ${group}/${resource}`];
  });
}

function neededFor(permissions: readonly RequiredPermission[]): readonly string[] {
  return permissions.flatMap(({ apiGroup, resource, verbs }) => verbs.map((verb) => `${verb} ${apiGroup}/${resource}`));
}
