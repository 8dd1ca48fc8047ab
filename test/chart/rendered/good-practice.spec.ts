import { expect } from 'chai';

import { type Profile, profiles, renderText } from '../../support/chart/helm.ts';
import { runChartProgram } from '../../support/chart/programs.ts';

/** A finding of kube-score that is not a fault here. */
interface AcceptedFinding {
  readonly check: string;
  readonly object: RegExp;
  /** The profiles that have it. @defaultValue all */
  readonly profiles?: readonly Profile[];
  readonly reason: string;
}

const accepted: readonly AcceptedFinding[] = [
  {
    check: 'container-image-pull-policy',
    object: /^(Deployment|Job|Pod|DaemonSet) /,
    reason: 'A tag is a version and does not move. With Always, no pod starts while the registry is away.',
  },
  {
    check: 'networkpolicy-targets-pod',
    object: /^NetworkPolicy .*-(hermetic|network-probe|steps|store)$/,
    reason: 'Hosts create the pods of these policies.',
  },
  {
    check: 'deployment-has-host-podantiaffinity',
    object: /^Deployment /,
    reason: 'topologySpreadConstraints spread the replicas, which kube-score does not read.',
  },
  {
    check: 'deployment-replicas',
    object: /^Deployment /,
    profiles: ['gke', 'local', 'minimal', 'offline', 'openshift'],
    reason: 'A profile of one replica says in its first lines what that means.',
  },
  {
    check: 'pod-networkpolicy',
    object: /^(Deployment|Pod|Job) /,
    profiles: ['local', 'minimal', 'openshift'],
    reason: 'The profile has no policy of the service, since it does not know the addresses of the cluster.',
  },
  {
    check: 'container-security-context-user-group-id',
    object: /^(Deployment|Pod) /,
    profiles: ['openshift'],
    reason: 'OpenShift assigns the users and groups.',
  },
];

interface ScoredObject {
  readonly type_meta: { readonly kind: string };
  readonly object_meta: { readonly name: string };
  readonly checks: readonly {
    readonly check: { readonly id: string };
    readonly grade: number;
    readonly skipped: boolean;
    readonly comments: readonly { readonly path: string; readonly summary: string }[] | null;
  }[];
}

/** The grade of a check that has nothing to say. */
const perfect = 10;

describe('kube-score', () => {
  const used = new Set<AcceptedFinding>();

  for (const profile of profiles)
    it(`finds nothing that is not accepted, with its reason: ${profile}`, async () => {
      const found = (await score(profile)).flatMap(({ type_meta: { kind }, object_meta: { name }, checks }) =>
        checks
          .filter(({ grade, skipped }) => !skipped && grade < perfect)
          .map(({ check, comments }) => ({ check: check.id, object: `${kind} ${name}`, comments: comments ?? [] })),
      );
      const left = found.filter(({ check, object }) => {
        const acceptance = accepted.find(
          (one) => one.check === check && one.object.test(object) && (one.profiles ?? [profile]).includes(profile),
        );
        if (acceptance) used.add(acceptance);
        return acceptance === undefined;
      });
      const lines = left.map(
        ({ check, object, comments }) => `${object}: ${check}: ${comments.map((c) => c.summary).join('; ')}`,
      );
      expect(lines).to.deep.equal([]);
    });

  it('finds each that is accepted', () => {
    expect(accepted.filter((one) => !used.has(one)).map(({ check }) => check)).to.deep.equal([]);
  });

  async function score(profile: Profile): Promise<readonly ScoredObject[]> {
    // kube-score does not know a Rollout, which has the pods of a Deployment.
    const manifests = (await renderText({ profile }))
      .replaceAll('argoproj.io/v1alpha1', 'apps/v1')
      .replaceAll(/kind: "?Rollout"?$/gm, 'kind: Deployment');
    // A limit of the CPU would slow the event loop: see resources in values.yaml.
    const args = [
      'score',
      '--kubernetes-version',
      'v1.34',
      '--ignore-container-cpu-limit',
      '--output-format',
      'json',
      '-',
    ];
    const { stdout, stderr } = await runChartProgram('kube-score', args, { input: manifests });
    expect(stdout, stderr).to.match(/^\[/);
    return JSON.parse(stdout) as readonly ScoredObject[];
  }
});
