/**
 * The order in which the agent writes, makes durable, moves, starts and sends, as a crash of the
 * machine would show.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { frameType } from '../../support/agent/agent-frames.ts';
import { type DynamicAgent, needDynamicAgent } from '../../support/faults/dynamic-agent.ts';
import type { LoggedCall } from '../../support/faults/fault-control.ts';
import { FaultRig } from '../../support/faults/fault-rig.ts';
import { ARCHIVE, fillVolume, OPEN } from '../../support/faults/scenarios/receive.ts';

/** The journal's name in agent/src/volume/tree_writer.h. */
const JOURNAL = '.kw-commit-5b0e4d3a91c7';

/**
 * Returns the index of the first matching call in the log from `from` on. Throws if there is none.
 */
function find(log: readonly LoggedCall[], what: string, fits: (call: LoggedCall) => boolean, from = 0): number {
  const at = log.findIndex((call, index) => index >= from && fits(call));
  if (at < 0) {
    const lines = log.slice(from).map(({ role, call, paths }) => `${role} ${call} ${paths.join(' → ')}`);
    throw new Error(`the log has no ${what} after ${String(from)}:\n${lines.join('\n')}`);
  }
  return at;
}

const path =
  (call: string, end: string, which = 0) =>
  (logged: LoggedCall): boolean =>
    logged.call === call && logged.paths[which]?.endsWith(end) === true;

/**
 * Checks that a file is written under a temporary name, synced, renamed, and the rename synced.
 * Returns the index of the last call.
 */
function storedDurably(log: readonly LoggedCall[], folder: string, name: string, temporary = `.${name}.new`): number {
  const written = find(log, `write of ${temporary}`, path('write', `${folder}/${temporary}`));
  const safe = find(log, `fsync of ${temporary}`, path('sync', `${folder}/${temporary}`), written);
  const moved = find(log, `move to ${name}`, path('rename', `${folder}/${name}`, 1), safe);
  return find(log, `fsync of ${folder}`, path('sync', folder), moved);
}

describe('durability', () => {
  let built: DynamicAgent;

  before(function () {
    built = needDynamicAgent(this);
  });

  async function serving(prepare?: (rig: FaultRig) => Promise<void>): Promise<FaultRig> {
    const rig = await FaultRig.create(built);
    await prepare?.(rig);
    rig.control.logging = true;
    rig.serve();
    return rig;
  }

  describe('of a commit', () => {
    let log: LoggedCall[];
    let firstMove: number;

    before(async () => {
      await using rig = await serving(fillVolume);
      const connection = await rig.connect();
      await connection.receive(OPEN, ARCHIVE);
      await connection.bye();
      log = rig.control.log();
      firstMove = find(
        log,
        'move into the volume',
        ({ call, paths }) => call === 'rename' && paths[1]?.includes('/volumes/v/data/') === true,
      );
    });

    it('makes the marker durable before the first file moves', () => {
      expect(storedDurably(log, 'agent/operations', OPEN.id)).to.be.lessThan(firstMove);
    });

    it('makes the journal of folders durable before the marker', async () => {
      const journal = storedDurably(log, `staging/${OPEN.id}`, JOURNAL, `${JOURNAL}.new`);
      expect(journal).to.be.lessThan(
        find(log, 'write of the marker', path('write', `agent/operations/.${OPEN.id}.new`)),
      );
    });

    it('sends RESULT after the last file has moved', () => {
      const sent = find(log, 'RESULT', ({ call, paths }) => call === 'frame' && paths[0] === String(frameType.result));
      const moves = log.flatMap(({ call, paths }, at) =>
        call === 'rename' && paths[1]?.includes('/volumes/v/data/') === true ? [at] : [],
      );
      expect(Math.max(...moves)).to.be.lessThan(sent);
    });
  });

  describe('of a process', () => {
    let log: LoggedCall[];

    before(async () => {
      await using rig = await serving();
      const connection = await rig.connect();
      await connection.run('p', ['/bin/sh', '-c', 'echo out; echo error >&2']);
      await connection.call({ op: 'remove', id: 'remove', process: 'p' });
      await connection.bye();
      log = rig.control.log();
    });

    it('makes the record of its start durable before the command is forked', () => {
      const recorded = storedDurably(log, 'agent/processes/p', 'start');
      const listed = find(log, 'fsync of the folder of processes', path('sync', 'agent/processes'));
      const child = find(log, 'child', ({ role, call }) => role === 'supervisor' && call === 'fork');
      expect(recorded).to.be.lessThan(child);
      expect(listed).to.be.lessThan(child);
      expect(child).to.be.lessThan(find(log, 'execve', ({ call }) => call === 'execve'));
    });

    it('makes its output durable before its result, and its result before it notifies an attachment', () => {
      const result = storedDurably(log, 'agent/processes/p', 'result');
      const written = find(log, 'write of the result', path('write', 'agent/processes/p/.result.new'));
      for (const stream of ['stdout.0', 'stderr.0']) {
        const synced = find(log, `fsync of ${stream}`, path('sync', `agent/processes/p/${stream}`));
        expect(synced, stream).to.be.lessThan(written);
      }
      const opened = find(
        log,
        'OPENED',
        ({ call, paths }) => call === 'frame' && paths[0] === String(frameType.opened),
      );
      expect(result).to.be.lessThan(
        find(log, 'RESULT', ({ call, paths }) => call === 'frame' && paths[0] === String(frameType.result), opened),
      );
    });

    it('removes its record before its other files, and makes the removal durable', () => {
      const forgotten = find(log, 'end of the record', path('unlink', 'agent/processes/p/start'));
      const gone = find(log, 'end of the folder', path('unlink', 'agent/processes/p'), forgotten);
      find(log, 'fsync of the folder of processes', path('sync', 'agent/processes'), gone);
    });
  });

  it('of a status that is stored before the wait for the rest of the output', async () => {
    await using rig = await serving();
    const connection = await rig.connect();
    // The shell ends while its child holds the pipes.
    await connection.start('p', ['/bin/sh', '-c', 'sleep 1 & exit 3']);
    await connection.attach('p');
    const log = rig.control.log();
    expect(storedDurably(log, 'agent/processes/p', 'exit')).to.be.lessThan(
      find(log, 'write of the result', path('write', '.result.new')),
    );
  });

  it("of the state directory's format, before other content", async () => {
    await using rig = await serving();
    await (await rig.connect()).bye();
    const log = rig.control.log();
    const format = storedDurably(log, 'state/agent', 'format');
    expect(format).to.be.lessThan(find(log, 'first folder', path('mkdir', '/operations')));
    expect(await readdir(join(rig.state, 'agent'))).to.include('format');
  });
});
