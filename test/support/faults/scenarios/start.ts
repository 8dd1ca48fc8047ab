import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { AgentConnection } from '../../agent/agent-connection.ts';
import type { FaultRig } from '../fault-rig.ts';
import { mustSucceed, type Outcome, outcomeOf, requireThat, type Scenario } from '../scenario.ts';

/** How often the command has run. */
async function runs(rig: FaultRig): Promise<number> {
  const text = await readFile(join(rig.folder, 'ran'), 'utf8').catch(() => '');
  return text.split('\n').length - 1;
}

const start = (rig: FaultRig, connection: AgentConnection) =>
  connection.start('p', ['/bin/sh', '-c', `echo ran >> ${join(rig.folder, 'ran')}`], { dir: '/', env: ['A=b'] });

/** A command runs once, for any outcome at the host and any retries. */
async function check(rig: FaultRig, reported: Outcome): Promise<void> {
  const connection = await rig.connect();
  const again = await outcomeOf(start(rig, connection));
  requireThat(again.kind === 'result', `a start without a fault ends: ${JSON.stringify(again)}`);
  if (reported.kind === 'result') {
    requireThat(reported.result['started'] === true, 'the first start is a start');
    requireThat(again.kind === 'result' && again.result['started'] === false, 'what was started is not started again');
  }
  const ended = await outcomeOf(connection.attach('p').then(({ result }) => result));
  const count = await runs(rig);
  // A killed command may have been killed before its first step.
  if (ended.kind === 'result' && ended.result['signal'] === 9)
    requireThat(count <= 1, `a command that was killed ran once: ${count}`);
  else if (ended.kind === 'result')
    requireThat(count === 1 && ended.result['exitStatus'] === 0, `a command that has ended ran once: ${count}`);
  else
    requireThat(
      count <= 1 && ended.kind === 'error' && ended.failure.code === 'PROCESS_LOST',
      `a command without a result is lost: ${JSON.stringify(ended)}, ran ${count} times`,
    );
  await connection.bye();
}

export function startScenario(): Scenario {
  const connections = new WeakMap<FaultRig, AgentConnection>();
  return {
    name: 'start',
    async prepare(rig) {
      rig.serve();
      connections.set(rig, await rig.connect());
    },
    act: (rig) => start(rig, connections.get(rig)!),
    async check(rig, reported, fault) {
      if (mustSucceed(fault))
        requireThat(reported.kind === 'result', `${fault.name} changes nothing: ${JSON.stringify(reported)}`);
      await check(rig, reported);
    },
  };
}
