import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect } from 'chai';

import { chartFolder, profiles, render } from '../../support/chart/helm.ts';
import { ofKind } from '../../support/chart/rendered-object.ts';
import type { Values } from '../../support/chart/values.ts';

describe('what helm install prints', () => {
  let chart: string;

  before(async () => {
    chart = await chartWithNotes();
  });
  after(async () => await rm(chart, { recursive: true }));

  for (const profile of profiles)
    it(`names the next commands, of this release and no other: ${profile}`, async () => {
      const notes = await notesOf({}, profile);
      expect(notes).to.match(
        /kubectl -n ci (rollout status deployment|get rollout)[/ ](kw-kubernetes-worker|everything)/,
      );
      expect(notes).to.contain('helm test kw -n ci --logs').and.contain('kubectl -n ci port-forward service/');
      expect(notes).to.match(/--timeout \d+s/);
      expect(notes, 'values that are missing').not.to.match(/<no value>|<nil>|%!|map\[/);
    });

  it('does not name helm test without one', async () => {
    expect(await notesOf({ tests: { enabled: false } })).not.to.contain('helm test');
  });

  it('computes the time-out of Helm from the probes and the grace', async () => {
    expect(await notesOf({})).to.contain('--timeout 360s');
    const values = {
      probes: { startup: { periodSeconds: 1, failureThreshold: 30 } },
      terminationGracePeriodSeconds: 90,
    };
    expect(await notesOf(values)).to.contain('--timeout 120s');
  });

  for (const [title, values, warning] of [
    ['one replica', {}, /replicaCount is 1: /],
    ['no policy', {}, /networkPolicy.enabled is false: /],
    ['steps without a policy', {}, /steps.networkPolicy.mode is unmanaged: /],
    [
      'an open status API',
      { config: { status: { auth: 'none', allowUnauthenticated: true } } },
      /config.status.auth is none: /,
    ],
    [
      'token reviews without a permission',
      { config: { status: { auth: 'tokenReview' } } },
      /auth is tokenReview, and the chart creates no ClusterRole/,
    ],
    ['permissions of the user', { rbac: { create: false } }, /rbac.create is false: /],
    [
      'pods that may be root',
      { podSecurityContext: { runAsNonRoot: false } },
      /podSecurityContext or containerSecurityContext permits more/,
    ],
    [
      'a privileged service',
      { containerSecurityContext: { privileged: true } },
      /podSecurityContext or containerSecurityContext permits more/,
    ],
    ['a config map of the user', { existingConfigMap: 'own' }, /existingConfigMap is own: /],
    [
      'privileged steps',
      { steps: { namespace: 's', createNamespace: true, podSecurity: 'privileged' } },
      /podSecurity is privileged: /,
    ],
    ['a claim that stays', { store: { pvc: { enabled: true } } }, /claim kw-kubernetes-worker-store stays/],
    [
      'definitions that the cluster needs',
      { serviceMonitor: { enabled: true }, rollout: { enabled: true } },
      /rollouts\.argoproj\.io.*servicemonitors\.monitoring\.coreos\.com/,
    ],
  ] as readonly (readonly [string, Values, RegExp])[])
    it(`warns of ${title}`, async () => {
      expect(await notesOf(values)).to.match(warning);
    });

  it('warns of nothing that the values did otherwise', async () => {
    const notes = await notesOf({ replicaCount: 2 }, 'production-ha');
    expect(notes)
      .not.to.match(/replicaCount is|networkPolicy.enabled is false|mode is unmanaged/)
      .and.not.match(/auth is none|rbac.create is false|permits more/);
  });

  async function notesOf(values: Values, profile = 'minimal'): Promise<string> {
    const objects = await render({ profile, values, chart });
    return ofKind(objects, 'ConfigMap').find(({ metadata }) => metadata.name === 'notes')?.data?.['notes'] ?? '';
  }
});

// Helm prints the notes of installed releases only. As a file of a copy of the chart they are
// rendered without a cluster.
const template = `
apiVersion: v1
kind: ConfigMap
metadata: { name: notes }
data: { notes: {{ tpl (.Files.Get "NOTES.txt") . | quote }} }
`;

async function chartWithNotes(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kw-chart-'));
  await cp(chartFolder, folder, { recursive: true });
  await cp(join(chartFolder, 'templates/NOTES.txt'), join(folder, 'NOTES.txt'));
  await writeFile(join(folder, 'templates/notes.yaml'), template);
  return folder;
}
