import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { AgentConnection, Json } from '../../agent/agent-connection.ts';
import type { DynamicAgent } from '../dynamic-agent.ts';
import { calls } from '../fault-control.ts';
import { FaultRig } from '../fault-rig.ts';
import { mustSucceed, outcomeOf, requireThat, type Scenario } from '../scenario.ts';
import { ARCHIVE, checkRest, checkVolume, type Expected, fillVolume, OPEN } from './receive.ts';

async function runs(rig: FaultRig): Promise<string> {
  return readFile(join(rig.folder, 'ran'), 'utf8').catch(() => '');
}

/** The change of an upload that is the second file moved into the volume. */
async function secondMove(built: DynamicAgent): Promise<number> {
  await using rig = await FaultRig.create(built);
  await fillVolume(rig);
  rig.serve();
  const connection = await rig.connect();
  rig.control.logging = true;
  await connection.receive(OPEN, ARCHIVE);
  const renames = rig.control.log().filter(({ call }) => call === 'rename');
  const moves = renames.flatMap(({ paths }, index) => (paths[1]?.includes('/volumes/v/data/') ? [index + 1] : []));
  const second = moves[1];
  if (second === undefined) throw new Error('the upload moves nothing into place');
  return second;
}

/**
 * A state directory after a crash: a commit is half done, one process has ended, another is lost.
 */
export async function crashedState(built: DynamicAgent): Promise<FaultRig> {
  const at = await secondMove(built);
  const rig = await FaultRig.create(built);
  await fillVolume(rig);
  rig.serve();
  const connection = await rig.connect();
  await connection.run('ended', ['/bin/sh', '-c', 'echo output; exit 7']);
  await connection.start('lost', ['/bin/sh', '-c', `echo ran >> ${join(rig.folder, 'ran')}; exec sleep 600`]);
  while ((await runs(rig)) === '') await new Promise((resolve) => setImmediate(resolve));
  rig.control.arm({ name: 'crash', kind: 'crash', classes: calls.renames }, at);
  const reported = await outcomeOf(connection.receive(OPEN, ARCHIVE));
  if (reported.kind !== 'lost') throw new Error('the agent did not crash in the middle of a commit');
  await rig.kill();
  return rig;
}

async function checkProcesses(rig: FaultRig, connection: AgentConnection): Promise<void> {
  const ended = await outcomeOf(
    connection.attach('ended').then(({ result, stdout }): Json => ({ ...result, stdout: stdout.toString() })),
  );
  requireThat(
    ended.kind === 'result' && ended.result['exitStatus'] === 7 && ended.result['stdout'] === 'output\n',
    `a result survives: ${JSON.stringify(ended)}`,
  );
  const lost = await outcomeOf(connection.attach('lost').then(({ result }) => result));
  requireThat(
    lost.kind === 'error' && lost.failure.code === 'PROCESS_LOST',
    `a process without a result is lost: ${JSON.stringify(lost)}`,
  );
  const again = await outcomeOf(connection.start('lost', ['/bin/sh', '-c', `echo ran >> ${join(rig.folder, 'ran')}`]));
  requireThat(
    again.kind === 'result' && again.result['started'] === false,
    `what is lost is not started again: ${JSON.stringify(again)}`,
  );
  requireThat((await runs(rig)) === '', 'nothing runs twice');
}

export function restartScenario(expected: Expected, crashed: FaultRig): Scenario {
  const received = new WeakSet<FaultRig>();
  return {
    name: 'restart',
    prepare: (rig) =>
      cp(crashed.state, rig.state, {
        recursive: true,
        preserveTimestamps: true,
        verbatimSymlinks: true,
        filter: (path) => !path.endsWith('/socket'),
      }),
    async act(rig) {
      rig.serve();
      const connection = await rig.connect();
      const status = await connection.call({ op: 'status', id: 'status' });
      await connection.bye();
      return status;
    },
    async check(rig, reported, fault) {
      if (mustSucceed(fault))
        requireThat(reported.kind === 'result', `${fault.name} changes nothing: ${JSON.stringify(reported)}`);
      const connection = await rig.connect();
      await checkProcesses(rig, connection);
      await connection.bye();
      // The outcome of the upload is kept until it has been acknowledged.
      const outcome = await checkVolume(rig, expected, received.has(rig) ? undefined : { kind: 'lost' });
      if (outcome?.kind === 'result') received.add(rig);
      if (!rig.restarted) return;
      requireThat(
        received.has(rig),
        `a restart without a fault completes the upload, and tells so: ${JSON.stringify(outcome)}`,
      );
      await checkRest(rig);
    },
    close: () => crashed[Symbol.asyncDispose](),
  };
}
