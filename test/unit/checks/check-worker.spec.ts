import { expect } from 'chai';
import sinon from 'sinon';

import { FakeCluster, FakeWorkerRepository, FakeWorkerStates } from '../../../fakes/index.ts';
import type { CheckedImage } from '../../../src/checks/check-images.ts';
import { checkWorker } from '../../../src/checks/check-worker.ts';
import { InvalidSpecError } from '../../../src/errors/caller.ts';
import { AdmissionDeniedError, ApiUnavailableError } from '../../../src/errors/cluster.ts';
import { HermeticNotEnforcedError } from '../../../src/errors/hermetic.ts';
import { ImagePullFailedError } from '../../../src/errors/pod.ts';
import { RepositoryUnavailableError } from '../../../src/errors/repository.ts';
import { StoreUnavailableError } from '../../../src/errors/store.ts';
import {
  permissionsFor,
  type RequiredPermission,
  requiredPermissions,
  secretPermissions,
} from '../../../src/kubernetes/required-permissions.ts';
import type { CheckOptions } from '../../../src/runtime/check.ts';
import type { WorkerInfo, WorkerState } from '../../../src/runtime/worker-lifecycle.ts';
import type { PodStore } from '../../../src/stores/pod-store.ts';
import { rejection } from '../../support/rejection.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const facts = { verb: 'get', resource: 'version', namespace: 'n' };
const location = { pod: 'p', owner: 'h', volume: 'h' };

function workerIn(state: WorkerState): WorkerInfo {
  return { name: 'ci', state, activeContainers: 0, activeVolumes: 0, registeredAt: new Date(0) };
}

describe('checkWorker', () => {
  let clock: VirtualClock;
  let permissions: readonly RequiredPermission[];
  let cluster: FakeCluster;
  let workers: FakeWorkerRepository;
  let states: FakeWorkerStates;
  let examine: sinon.SinonStub;
  let missing: readonly string[];
  let mayBeUnregistered: boolean;
  let archiveStores: Map<string, { probe: sinon.SinonStub }>;
  let images: readonly CheckedImage[];
  let store: sinon.SinonStubbedInstance<Pick<PodStore, 'locate' | 'create' | 'delete' | 'rehearse'>>;

  beforeEach(() => {
    clock = new VirtualClock();
    permissions = requiredPermissions;
    missing = [];
    mayBeUnregistered = false;
    archiveStores = new Map();
    images = [];
    cluster = new FakeCluster({ namespace: 'n' });
    cluster.serverVersion.resolves('v1.34.4');
    cluster.may.resolves(true);
    examine = sinon.stub().resolves('A hermetic pod is isolated.');
    workers = new FakeWorkerRepository();
    workers.time.resolves(new Date(clock.now()));
    states = new FakeWorkerStates();
    states.find.resolves(workerIn('running'));
    store = {
      locate: sinon.stub<[string], typeof location>().returns(location),
      create: sinon.stub<Parameters<PodStore['create']>>().resolves(),
      delete: sinon.stub<Parameters<PodStore['delete']>>().resolves(true),
      rehearse: sinon.stub<Parameters<PodStore['rehearse']>>().resolves(new Date(clock.now())),
    };
  });

  const check = (options?: CheckOptions) =>
    checkWorker(
      {
        workerName: 'ci',
        cluster,
        permissions,
        workers,
        states,
        store,
        missingMigrations: () => Promise.resolve(missing),
        mayBeUnregistered,
        archiveStores,
        examineImages: () => Promise.resolve(images),
        hermetic: { examine },
        newId: () => 'h',
        clock,
      },
      options,
    );

  /** Returns `check: outcome: message` of each finding. */
  async function findings(options?: CheckOptions): Promise<readonly string[]> {
    const report = await check(options);
    return report.findings.map(({ check: name, outcome, message }) => `${name}: ${outcome}: ${message}`);
  }

  it('reports one finding for each check if all is well', async () => {
    expect(await findings({ startPod: true })).to.deep.equal([
      'api-server: ok: Kubernetes v1.34.4 answers.',
      'permissions: ok: The credentials have all permissions.',
      'pod-admission: ok: Namespace n accepts a pod.',
      'database: ok: The database answers.',
      'schema: ok: The schema has all migrations.',
      'clocks: ok: The clocks agree.',
      'pod-start: ok: A pod started and answered after 0.0 s.',
    ]);
    expect((await check()).ok).to.equal(true);
  });

  for (const state of ['stalled', 'landing', 'landed', 'retiring'] as const)
    it(`warns that the worker is ${state}, with advice`, async () => {
      states.find.resolves(workerIn(state));
      const { ok, findings: found } = await check();
      const finding = found.find(({ check: name }) => name === 'worker-state');
      expect(ok).to.equal(true);
      expect(finding).to.include({ outcome: 'warning' });
      expect(finding?.message).to.include(`Worker ci is ${state}.`);
      expect(finding?.advice).to.be.a('string');
    });

  it('fails if the worker no longer exists', async () => {
    states.find.resolves(undefined);
    const { ok, findings: found } = await check();
    expect(ok).to.equal(false);
    const finding = found.find(({ check: name }) => name === 'worker-state');
    expect(finding?.error).to.include({ code: 'KW_ERR_WORKER_NOT_RUNNING', state: 'retired' });
  });

  it('does not require the name of a worker that was not opened', async () => {
    states.find.resolves(undefined);
    mayBeUnregistered = true;
    expect(await findings()).to.include(
      'worker-state: ok: Worker ci is not registered yet. The first host that opens it does so.',
    );
  });

  it('fails if the schema lacks migrations, and reads nothing of it', async () => {
    missing = ['0021_a', '0022_b'];
    const { ok, findings: found } = await check();
    expect(ok).to.equal(false);
    expect(found.find(({ check: name }) => name === 'schema')).to.include({
      outcome: 'failure',
      message: 'The schema lacks 2 migrations, the first is 0021_a.',
    });
    expect(states.find.callCount).to.equal(0);
  });

  it('probes the archive stores only on request, and names the one that fails', async () => {
    archiveStores.set('pvc', { probe: sinon.stub().resolves() });
    archiveStores.set('s3', { probe: sinon.stub().rejects(new StoreUnavailableError({ store: 's3' }, 'no route')) });
    expect((await findings()).join()).not.to.include('stores');
    const found = (await findings({ stores: true })).filter((text) => text.startsWith('stores'));
    expect(found[0]).to.equal('stores: ok: Store pvc can be used.');
    expect(found[1]).to.match(/^stores: failure: Store s3: .*no route/);
  });

  it('looks images up only on request', async () => {
    const error = new InvalidSpecError('image', 'b does not exist in the registry docker.io');
    images = [
      { image: 'a', outcome: 'OK', error: undefined },
      { image: 'b', outcome: 'MISSING', error },
      { image: 'c', outcome: 'NOT_CHECKED', error: undefined },
    ];
    expect((await findings()).join()).not.to.include('images');
    const { ok, findings: found } = await check({ images: true });
    expect(ok).to.equal(false);
    expect(
      found.filter(({ check: name }) => name === 'images').map(({ outcome, message }) => `${outcome}: ${message}`),
    ).to.deep.equal([
      'ok: Image a exists.',
      `failure: ${error.message}`,
      'warning: Image c was not examined: its registry does not answer this program.',
    ]);
  });

  it('starts a pod only on request, and deletes it', async () => {
    await check();
    sinon.assert.notCalled(store.create);
    await check({ startPod: true });
    sinon.assert.calledOnceWithExactly(store.delete, location);
  });

  it('deletes the pod that does not start, and reports why', async () => {
    const error = new ImagePullFailedError({ namespace: 'n', podName: 'p' }, 'pause:1', false);
    store.create.rejects(error);
    const report = await check({ startPod: true });
    expect(report.ok).to.equal(false);
    expect(report.findings.at(-1)).to.include({ check: 'pod-start', outcome: 'failure', error });
    expect(report.findings.at(-1)?.advice).to.include('volumeImage');
    sinon.assert.calledOnce(store.delete);
  });

  context('with the option networkPolicy', () => {
    it('examines the isolation of hermetic pods, which no other check does', async () => {
      await check({ startPod: true });
      sinon.assert.notCalled(examine);
      const last = (await findings({ networkPolicy: true })).at(-1);
      expect(last).to.equal('network-policy: ok: A hermetic pod is isolated.');
    });

    it('reports why hermetic containers are refused', async () => {
      const error = new HermeticNotEnforcedError({ namespace: 'n', reason: 'policy-not-enforced', detail: 'open' });
      examine.rejects(error);
      const report = await check({ networkPolicy: true });
      expect(report.ok).to.equal(false);
      expect(report.findings.at(-1)).to.include({ check: 'network-policy', outcome: 'failure', error });
      expect(report.findings.at(-1)?.advice).to.include('Hermetic containers are refused');
    });

    it('asks for the permissions of hermetic containers, and warns about a missing one', async () => {
      cluster.may.callsFake(async ({ verb, resource }) => resource !== 'networkpolicies' || verb === 'list');
      expect(await findings({ networkPolicy: true })).to.include(
        'permissions: warning: The credentials may not create networkpolicies in namespace n.',
      );
      expect(await findings()).to.include('permissions: ok: The credentials have all permissions.');
    });

    it('skips the check if the API server does not answer', async () => {
      cluster.serverVersion.rejects(new ApiUnavailableError(facts, 'away', 503));
      expect(await findings({ networkPolicy: true })).to.include(
        'network-policy: skipped: The API server does not answer.',
      );
      sinon.assert.notCalled(examine);
    });
  });

  it('reports each missing permission, with its purpose', async () => {
    cluster.may.callsFake(async ({ verb, resource }) => !(resource === 'pods/exec' && verb === 'get'));
    const report = await check();
    expect(report.ok).to.equal(false);
    const [missing] = report.findings.filter(({ check: name }) => name === 'permissions');
    expect(missing).to.include({
      outcome: 'failure',
      message: 'The credentials may not get pods/exec in namespace n.',
    });
    expect(missing?.advice).to.include('docs/rbac.md');
  });

  it('asks for exactly the permissions that docs/rbac.md lists', async () => {
    await check();
    const asked = cluster.may.args.map(([{ verb, resource, isClusterWide }]) => [verb, resource, isClusterWide]);
    const required = requiredPermissions.flatMap(({ verbs, resource }) => verbs.map((verb) => [verb, resource, false]));
    expect(asked).to.have.deep.members([...required, ['list', 'nodes', true], ['get', 'nodes', true]]);
  });

  it('reports a permission that the worker can do without as a warning, with what is then missing', async () => {
    cluster.may.callsFake(async ({ isClusterWide, resource }) => !isClusterWide && resource !== 'events');
    const report = await check();
    expect(report.ok).to.equal(true);
    const warnings = report.findings.filter(({ outcome }) => outcome === 'warning');
    expect(warnings.map(({ message, advice }) => [message, advice])).to.deep.equal([
      [
        'The credentials may not list events in namespace n.',
        'Grant it (docs/rbac.md), otherwise descriptions of containers have no events.',
      ],
      [
        'The credentials may not list nodes in the cluster.',
        'Grant it (docs/rbac.md), otherwise the architecture has to be configured, or is amd64, and the facts of the worker have neither nodes nor zones.',
      ],
      [
        'The credentials may not get nodes in the cluster.',
        'Grant it (docs/rbac.md), otherwise the diagnostics of failed pods have nothing about their nodes.',
      ],
    ]);
  });

  it("asks for each pull secret that the worker's options need, by its name", async () => {
    permissions = secretPermissions(['pull', 'pull', 'mirror']);
    cluster.may.callsFake(async ({ name }) => name !== 'mirror');
    const report = await check();
    expect(report.findings.filter(({ outcome }) => outcome === 'failure').map(({ message }) => message)).to.deep.equal([
      'The credentials may not get secrets mirror in namespace n.',
    ]);
  });

  it("asks for no permission that the worker's options make unnecessary", async () => {
    permissions = permissionsFor({ agentConfigMap: 'existing', podObservation: 'poll' });
    cluster.may.callsFake(
      async ({ resource, verb }) =>
        `${verb} ${resource}` !== 'create configmaps' && `${verb} ${resource}` !== 'watch pods',
    );
    expect((await check()).findings.map(({ message }) => message)).to.include('The credentials have all permissions.');
    permissions = permissionsFor({});
    expect((await check()).findings.map(({ outcome, message }) => `${outcome}: ${message}`)).to.include.members([
      'failure: The credentials may not watch pods in namespace n.',
      'warning: The credentials may not create configmaps in namespace n.',
    ]);
  });

  it('reports a namespace that refuses pods, in the words of the server', async () => {
    const error = new AdmissionDeniedError({ ...facts, verb: 'create', resource: 'pods' }, 'violates PodSecurity');
    store.rehearse.rejects(error);
    const report = await check();
    const [refused] = report.findings.filter(({ check: name }) => name === 'pod-admission');
    expect(refused).to.include({ outcome: 'failure', message: error.message });
    expect(refused?.advice).to.include("security: 'restricted'");
  });

  it('skips the checks that need an API server that does not answer, and examines the database', async () => {
    cluster.serverVersion.rejects(new ApiUnavailableError(facts, 'no response', undefined));
    const outcomes = (await findings({ startPod: true })).map((line) => line.split(': ').slice(0, 2).join(' '));
    expect(outcomes).to.deep.equal([
      'api-server failure',
      'permissions skipped',
      'pod-admission skipped',
      'database ok',
      'schema ok',
      'clocks ok',
      'pod-start skipped',
    ]);
    sinon.assert.notCalled(cluster.may);
    sinon.assert.notCalled(store.create);
  });

  it('reports a database that does not answer', async () => {
    workers.time.rejects(new RepositoryUnavailableError('connection refused'));
    const report = await check();
    expect(report.ok).to.equal(false);
    expect(report.findings.filter(({ outcome }) => outcome === 'failure').map(({ check: name }) => name)).to.deep.equal(
      ['database'],
    );
  });

  it('reports clocks that differ by more than five seconds', async () => {
    store.rehearse.resolves(new Date(clock.now() - 61_000));
    workers.time.resolves(new Date(clock.now() + 4_000));
    expect((await findings()).filter((line) => line.startsWith('clocks'))).to.deep.equal([
      "clocks: warning: The clock of the API server is 61 s behind this host's.",
    ]);
    workers.time.resolves(new Date(clock.now() + 20_000));
    expect(await findings()).to.include("clocks: warning: The clock of the database is 20 s ahead of this host's.");
  });

  it('rejects with the reason of its signal', async () => {
    const stop = new AbortController();
    const reason = new Error('stopped');
    cluster.may.callsFake(async () => {
      stop.abort(reason);
      throw reason;
    });
    expect(await rejection(check({ signal: stop.signal }))).to.equal(reason);
  });
});
