import { closeSync, openSync } from 'node:fs';

import { expect } from 'chai';

import { LimitedFolder } from '../../support/limited-folder.ts';
import { type CommandRig, databaseAt } from '../../support/service/command-rig.ts';
import { SilentServer } from '../../support/service/silent-server.ts';
import type { CommandRow } from './command-row.ts';
import { commandRows } from './command-rows.ts';

const rows = Object.entries(commandRows).map(([name, row]) => ({ name, words: name.split(' '), row }));

/** The promises of each command to its user, with everything that it needs. */
export function describeWorkingCommands(rigOf: () => CommandRig): void {
  for (const { name, row } of rows) it(`${name} works`, () => row.works(rigOf()));
}

/** The promises of each command that is killed. */
export function describeKilledCommands(rigOf: () => CommandRig): void {
  for (const { name, row } of rows)
    if (row.killed !== undefined) it(`${name} leaves nothing half when it is killed`, () => row.killed!(rigOf()));
}

/** The promises of each command where something is wrong: its arguments, a server, a disk, stdout. */
export function describeFailingCommands(rigOf: () => CommandRig): void {
  for (const { name, words, row } of rows) describe(name, () => describeFailures(rigOf, words, row));
}

function describeFailures(rigOf: () => CommandRig, words: readonly string[], row: CommandRow): void {
  const args = (): readonly string[] => [...words, ...row.args(rigOf())];
  const { withoutCluster, withoutDatabase, interrupted = 130 } = row;

  it('refuses wrong arguments with 64, and names what is wrong', async () => {
    for (const wrong of [...row.refused, ['--no-such-flag']]) {
      const { exitCode, stdout, stderr } = await rigOf().run([...words, ...wrong]);
      expect([wrong, exitCode, stdout]).to.deep.equal([wrong, 64, '']);
      expect(stderr)
        .to.match(/^error: /)
        .and.to.not.contain('internal');
    }
  });

  for (const [server, exitCode, at] of [
    ['API server', withoutCluster, (port: number) => rigOf().clusterAt(port)],
    ['database', withoutDatabase, async (port: number) => databaseAt(port)],
  ] as const) {
    if (exitCode === undefined) continue;

    it(`exits with ${exitCode} if no ${server} answers, and with no fault of its own`, async () => {
      const ended = await rigOf().run(args(), await at(1));
      expect(ended.exitCode, ended.stdout + ended.stderr).to.equal(exitCode);
      expect(ended.stderr).to.not.contain('internal error');
      if (exitCode === 69)
        expect(ended.stderr).to.match(/KW_ERR_(REPOSITORY|API)_UNAVAILABLE|API server is not available/);
    });

    it(`exits with ${interrupted} at SIGINT while the ${server} is silent`, async () => {
      await using silent = await SilentServer.start();
      const running = rigOf().start(args(), { env: await at(silent.port) });
      await Promise.race([silent.connected, running.ended]);
      running.kill('SIGINT');
      const { exitCode: code, stdout, stderr } = await running.ended;
      expect(code, stdout + stderr).to.equal(interrupted);
      expect(stderr).to.not.contain('error');
    });
  }

  if (row.withoutWorker !== undefined)
    it(`exits with ${row.withoutWorker} for a mistyped name of a worker, which it does not register`, async () => {
      const rig = rigOf();
      const names = async (): Promise<readonly string[]> =>
        (await rig.world.worker.listWorkers()).map(({ name }) => name);
      const before = await names();
      const { exitCode, stderr } = await rig.run(args(), { KW_WORKER_NAME: 'mistyped' });
      expect(exitCode, stderr).to.equal(row.withoutWorker);
      expect(stderr).to.include('KW_ERR_WORKER_NOT_FOUND').and.include('"mistyped"').and.include('KW_WORKER_NAME');
      expect(await names()).to.deep.equal(before);
    });

  if (row.prints !== false) {
    it('ends silently if the reader of stdout ends', async () => {
      const running = rigOf().start(args());
      running.child.stdout!.destroy();
      expect(await running.ended).to.include({ exitCode: 0, stderr: '' });
    });

    it('exits with 1 if stdout cannot be written', async () => {
      const full = openSync('/dev/full', 'w');
      const running = rigOf().start(args(), { stdout: full });
      closeSync(full);
      running.child.stdin!.end();
      const { exitCode, stderr } = await running.ended;
      expect(exitCode, stderr).to.equal(1);
      expect(stderr).to.contain('cannot write the output: ENOSPC').and.to.not.contain('internal');
    });
  }

  if (row.onFullDisk !== undefined) {
    it('leaves nothing half on a full disk', async function () {
      await using limited = await LimitedFolder.mountFor(this, 'size=1m');
      await row.onFullDisk!(rigOf(), limited.folder);
    });
  }
}
