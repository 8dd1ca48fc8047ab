import type { PGlite } from '@electric-sql/pglite';
import { expect } from 'chai';

import { EmbeddedCluster } from '../../../src/embedded/index.ts';
import { KubernetesWorker, type KubernetesWorkerOptions } from '../../../src/index.ts';
import { newPGlite } from '../../support/database/pglite.ts';
import { rejection } from '../../support/rejection.ts';

describe('KubernetesWorker.check', () => {
  let cluster: EmbeddedCluster;
  let database: PGlite;

  before(async () => {
    cluster = await EmbeddedCluster.start();
  });

  beforeEach(async () => {
    database = await newPGlite();
  });

  afterEach(async () => {
    await database.close();
  });

  after(async () => {
    await cluster?.close();
  });

  const options = (parts: Partial<KubernetesWorkerOptions> = {}): KubernetesWorkerOptions => ({
    name: 'checked',
    kubeConfig: cluster.kubeconfigPath,
    database,
    ...parts,
  });
  const outcomes = async (parts?: Partial<KubernetesWorkerOptions>): Promise<Readonly<Record<string, string>>> => {
    const { findings } = await KubernetesWorker.check(options(parts));
    return Object.fromEntries(findings.map(({ check, outcome }) => [check, outcome]));
  };

  it('changes nothing in a database without a schema, which is a finding', async () => {
    const { ok, findings } = await KubernetesWorker.check(options());
    expect([ok, findings.find(({ check }) => check === 'schema')?.outcome]).to.deep.equal([false, 'failure']);
    const { rows } = await database.query('select from information_schema.schemata where schema_name like $1', [
      'kubernetes_worker%',
    ]);
    expect(rows).to.deep.equal([]);
  });

  it('passes for a name that is not registered, and does not register it', async () => {
    await using other = await KubernetesWorker.open(options({ name: 'other' }));
    expect((await KubernetesWorker.check(options())).ok).to.equal(true);
    expect((await other.listWorkers()).map(({ name }) => name)).to.deep.equal(['other']);
  });

  it('reports a database that does not answer, and examines the cluster all the same', async () => {
    const found = await outcomes({ database: 'postgres://x@127.0.0.1:1/x' });
    expect([found['database'], found['api-server']]).to.deep.equal(['failure', 'ok']);
  });

  it('rejects with InvalidSpecError of an invalid option', async () => {
    expect(await rejection(KubernetesWorker.check(options({ name: '' })))).to.include({
      code: 'KW_ERR_INVALID_SPEC',
      field: 'name',
    });
  });
});
