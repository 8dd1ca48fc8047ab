import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect } from 'chai';

import { ServeProcess } from '../../support/service/serve-process.ts';
import { SilentServer } from '../../support/service/silent-server.ts';
import type { CommandRow } from './command-row.ts';
import { cpRow, execRow, runRow } from './stream-rows.ts';

const succeeded = { exitCode: 0, stderr: '' };
const [unavailable, wrongConfiguration, failure] = [69, 78, 1];

/** A row for each command of the program, by its words. */
export const commandRows: Readonly<Record<string, CommandRow>> = {
  run: runRow,
  exec: execRow,
  cp: cpRow,

  logs: {
    // Of stdout only.
    args: ({ handle }) => [handle, 'task', '--since-bytes', '0,4'],
    refused: [[], ['h', '--since-bytes', '1x'], ['h', 'p', 'q']],
    withoutCluster: unavailable,
    withoutDatabase: unavailable,
    withoutWorker: wrongConfiguration,
    works: async (rig) => {
      const result = { exitCode: 0, stdout: 'out\n', stderr: 'err\n' };
      expect(await rig.run(['logs', rig.handle, 'task'])).to.deep.equal(result);
      const since = await rig.run(['logs', rig.handle, 'task', '--since-bytes', '1,3']);
      expect(since).to.deep.equal({ ...result, stdout: 'ut\n', stderr: '\n' });
      const { container } = await rig.world.container();
      await container.run({ id: 'long', path: 'sh', args: ['-c', 'echo begin; sleep 600'] }, {});
      const following = rig.start(['logs', container.handle, '--follow']);
      await following.waitFor('begin\n');
      following.kill('SIGINT');
      expect((await following.ended).exitCode).to.equal(130);
      await container.stopProcess('long');
      expect((await rig.run(['logs', 'none'])).exitCode).to.equal(failure);
    },
  },

  ps: {
    args: () => [],
    refused: [['--state', 'x'], ['word']],
    // The rows are those of the database; the pods' part is a question mark.
    withoutCluster: 0,
    withoutDatabase: unavailable,
    withoutWorker: wrongConfiguration,
    works: async (rig) => {
      const listed = await rig.run(['ps', '--owner-kind', rig.owner.kind]);
      expect(listed).to.include(succeeded);
      expect(listed.stdout)
        .to.match(/^HANDLE +STATE/)
        .and.to.contain('task=3');
      const [container] = JSON.parse((await rig.run(['ps', '--json', '--owner-kind', rig.owner.kind])).stdout);
      expect(container).to.include({ handle: rig.handle, state: 'created' });
      expect(container.nodeName).to.be.a('string');
    },
  },

  doctor: {
    args: () => ['--no-images'],
    refused: [['word'], ['--start-pod=yes']],
    withoutCluster: failure,
    withoutDatabase: failure,
    works: async (rig) => {
      const { exitCode, stdout, stderr } = await rig.run(['doctor', '--no-images', '--json']);
      expect([exitCode, stderr], stdout).to.deep.equal([0, '']);
      expect(JSON.parse(stdout)).to.include({ ok: true });
    },
  },

  'explain image': {
    args: ({ image }) => [image],
    refused: [['a', 'b']],
    withoutDatabase: unavailable,
    withoutWorker: wrongConfiguration,
    works: async (rig) => {
      const permitted = await rig.run(['explain', 'image', rig.image]);
      expect([permitted.exitCode, /^Permitted: +yes$/m.test(permitted.stdout)], permitted.stdout).to.deep.equal([
        0,
        true,
      ]);
      const rules = JSON.stringify([{ name: 'own', allow: ['registry.example/**'] }]);
      const refused = await rig.run(['explain', 'image', 'other/image', '--images-policy-rules', rules]);
      expect([refused.exitCode, /^Permitted: +no:/m.test(refused.stdout)], refused.stdout).to.deep.equal([1, true]);
    },
  },

  'explain error': {
    args: () => [],
    refused: [['none'], ['a', 'b']],
    works: async (rig) => {
      const explained = await rig.run(['explain', 'error', 'pod-evicted', '--json']);
      expect(explained).to.include(succeeded);
      expect(JSON.parse(explained.stdout)).to.include({ code: 'KW_ERR_POD_EVICTED' });
    },
  },

  'explain container': {
    args: ({ handle }) => [handle],
    refused: [[], ['a', 'b']],
    withoutCluster: unavailable,
    withoutDatabase: unavailable,
    withoutWorker: wrongConfiguration,
    works: async (rig) => {
      const described = await rig.run(['explain', 'container', rig.handle]);
      expect(described).to.include(succeeded);
      expect(described.stdout).to.contain('Running');
      const none = await rig.run(['explain', 'container', 'none']);
      expect([none.exitCode, none.stderr.includes('there is no container none')]).to.deep.equal([failure, true]);
    },
  },

  events: {
    args: () => [],
    refused: [['--every-ms', '0'], ['word']],
    withoutDatabase: unavailable,
    withoutWorker: wrongConfiguration,
    works: async (rig) => {
      const following = rig.start(['events', '--follow', '--processes', '--every-ms', '100', '--json']);
      await following.waitFor(rig.handle);
      const { container, mounts } = await rig.world.container();
      const task = await container.run({ id: 'task', path: 'sh', args: ['-c', 'exit 4'] }, {});
      await task.wait();
      const seen = (): readonly Readonly<Record<string, unknown>>[] =>
        following.stdout
          .split('\n')
          .filter((line) => line.endsWith('}'))
          .map((line) => JSON.parse(line));
      const expected = [
        { kind: 'worker-present', state: 'running' },
        { kind: 'process-ended', container: rig.handle, process: 'task', exitStatus: 3 },
        { kind: 'container-added', handle: container.handle },
        { kind: 'volume-added', container: container.handle, handle: mounts[0]?.volume.handle },
        { kind: 'process-ended', container: container.handle, process: 'task', exitStatus: 4 },
      ];
      const isSeen = (facts: Readonly<Record<string, unknown>>): boolean =>
        seen().some((event) => Object.entries(facts).every(([name, value]) => event[name] === value));
      while (!expected.every(isSeen)) await sleep(50);
      following.kill('SIGINT');
      const { exitCode, stderr } = await following.ended;
      expect([exitCode, stderr]).to.deep.equal([130, '']);
    },
  },

  reap: {
    args: () => ['--dry-run'],
    refused: [['word']],
    withoutCluster: unavailable,
    withoutDatabase: unavailable,
    withoutWorker: wrongConfiguration,
    works: async (rig) => {
      const { world } = rig;
      const owner = { kind: 'finished', key: randomUUID() };
      const { container } = await world.worker.findOrCreateContainer(owner, { image: rig.image });
      await world.worker.ownerFinished(owner);
      const planned = await rig.run(['reap', '--dry-run']);
      expect(planned).to.include(succeeded);
      expect(planned.stdout).to.contain(container.handle);
      expect((await rig.run(['reap'])).stdout).to.contain('1 containers');
      expect(await world.worker.lookupContainer(container.handle)).to.equal(undefined);
    },
  },

  finish: {
    // With a handle it would end the container of the other rows.
    args: () => ['none'],
    refused: [[], ['a', 'b']],
    withoutDatabase: unavailable,
    withoutWorker: wrongConfiguration,
    prints: false,
    works: async (rig) => {
      const { container } = await rig.world.container();
      const finished = await rig.run(['finish', container.handle]);
      expect(finished).to.include(succeeded);
      expect(finished.stdout).to.contain(`container ${container.handle} is deleted`);
      expect(await rig.world.worker.lookupContainer(container.handle)).to.equal(undefined);
      const none = await rig.run(['finish', 'none']);
      expect([none.exitCode, none.stderr.includes('there is no container none')]).to.deep.equal([failure, true]);
    },
  },

  migrate: {
    args: () => ['--check'],
    refused: [['word']],
    withoutDatabase: unavailable,
    works: async (rig) => {
      const env = { KW_DATABASE_URL: await rig.world.emptyDatabase() };
      expect(await rig.run(['migrate', '--check'], env)).to.include({ exitCode: 1, stderr: '' });
      expect((await rig.run(['ps'], env)).exitCode).to.equal(78);
      expect((await rig.run(['migrate'], env)).stdout).to.match(/^applied 0001/);
      const checked = { exitCode: 0, stdout: 'The schema is up to date.\n', stderr: '' };
      expect(await rig.run(['migrate', '--check'], env)).to.deep.equal(checked);
    },
  },

  serve: {
    args: () => ['--status-port', '0', '--metrics-port', '0'],
    refused: [['word']],
    withoutDatabase: unavailable,
    interrupted: 0,
    prints: false,
    works: async (rig) => {
      const { world, program } = rig;
      const replica = new ServeProcess({ ...world.env, KW_WORKER_NAME: `serve-${randomUUID()}` }, [], program);
      try {
        await replica.untilProbe('readyz', 200);
        await replica.untilLeads();
        replica.cli.kill('SIGTERM');
        expect(await replica.cli.ended).to.include(succeeded);
      } finally {
        replica.cli.kill('SIGKILL');
      }
    },
  },

  'config validate': {
    args: () => [],
    refused: [['a', 'b']],
    works: async (rig) => {
      expect(await rig.run(['config', 'validate'])).to.include(succeeded);
      const file = join(rig.world.home, 'invalid.yaml');
      await writeFile(file, 'store: {}\n');
      const refused = await rig.run(['config', 'validate', file]);
      expect([refused.exitCode, refused.stderr]).to.deep.equal([
        78,
        `${file}:1:1 store: unknown key; did you mean "stores"?\n`,
      ]);
      expect((await rig.run(['config', 'validate', join(rig.world.home, 'none.yaml')])).exitCode).to.equal(78);
    },
  },

  'config print': {
    args: () => [],
    refused: [['word']],
    works: async (rig) => {
      const printed = await rig.run(['config', 'print', '--show-origin', '--worker-name', 'flagged']);
      expect(printed).to.include(succeeded);
      expect(printed.stdout).to.contain('flagged').and.to.contain('--worker-name').and.to.contain('KW_DATABASE_URL');
      expect(printed.stdout).to.not.contain(rig.world.env['KW_DATABASE_URL']);
    },
  },

  'config schema': {
    args: () => [],
    refused: [['word']],
    works: async (rig) => {
      const { stdout, ...rest } = await rig.run(['config', 'schema']);
      expect(rest).to.deep.equal(succeeded);
      const published = new URL('../../../docs/configuration.schema.json', import.meta.url);
      expect(JSON.parse(stdout)).to.deep.equal(JSON.parse(await readFile(published, 'utf8')));
    },
  },

  embedded: {
    args: () => [],
    refused: [['--port', 'x'], ['--isolation', 'some'], ['word']],
    prints: false,
    works: async (rig) => {
      const kubeconfig = join(rig.world.home, 'embedded-kubeconfig');
      const running = rig.start(['embedded', '--kubeconfig', kubeconfig]);
      await running.waitFor('\n');
      const doctor = await rig.run(['doctor', '--no-images', '--json'], {
        KW_WORKER_KUBECONFIG: kubeconfig,
        KW_WORKER_NAMESPACE: 'default',
      });
      expect(doctor.exitCode, doctor.stdout).to.equal(0);
      running.kill('SIGINT');
      expect(await running.ended).to.deep.equal({ ...succeeded, stdout: `${kubeconfig}\n` });
      expect(existsSync(kubeconfig)).to.equal(false);
      await using other = await SilentServer.start();
      const taken = await rig.run(['embedded', '--port', String(other.port)]);
      expect(taken).to.include({ exitCode: 75, stdout: '', stderr: `error: --port: port ${other.port} is in use\n` });
    },
    onFullDisk: async (rig, folder) => {
      // Of a cluster that starts, only the kubeconfig has content.
      await writeFile(join(folder, 'full'), Buffer.alloc(2_000_000)).catch((error: unknown) => {
        expect(error).to.include({ code: 'ENOSPC' });
      });
      const ended = await rig.run(['embedded', '--directory', join(folder, 'work')]);
      expect([ended.exitCode, ended.stdout]).to.deep.equal([failure, '']);
      expect(ended.stderr).to.contain('ENOSPC').and.to.not.contain('internal');
      expect(await readdir(folder)).to.deep.equal(['full']);
    },
  },

  completion: {
    args: () => ['bash'],
    refused: [[], ['tcsh'], ['bash', 'zsh']],
    works: async (rig) => {
      for (const shell of ['bash', 'zsh', 'fish']) {
        const { stdout, ...rest } = await rig.run(['completion', shell]);
        expect(rest).to.deep.equal(succeeded);
        expect(stdout).to.contain('migrate');
      }
    },
  },
};
