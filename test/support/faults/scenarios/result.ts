import { spawnSync } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';

import type { AgentConnection, AttachResult, Json } from '../../agent/agent-connection.ts';
import type { Fault } from '../fault-control.ts';
import type { FaultRig } from '../fault-rig.ts';
import { mustSucceed, type Outcome, outcomeOf, requireThat, type Scenario } from '../scenario.ts';

const OUTPUT = 'early\nlate\n';

/**
 * A FIFO that the command waits for, opened in both directions, so that neither end blocks and no
 * byte is lost.
 */
async function gateOf(rig: FaultRig): Promise<FileHandle> {
  const path = join(rig.folder, 'gate');
  if (spawnSync('mkfifo', [path]).status !== 0) throw new Error('mkfifo failed');
  const gate = await open(path, 'r+');
  rig.defer(() => gate.close());
  return gate;
}

function resultOf(attached: AttachResult): Json {
  return { ...attached.result, stdout: attached.stdout.toString(), stderr: attached.stderr.toString() };
}

/** Checks that a RESULT is the command's own, with all of its output unless it reports a cut. */
function checkResult(result: Json): void {
  requireThat(
    result['exitStatus'] === 7 && result['signal'] === null,
    `the status is the command's: ${JSON.stringify(result)}`,
  );
  const whole = result['stdout'] === OUTPUT && result['stderr'] === 'error\n';
  requireThat(
    whole || result['outputCut'] === true,
    `the output is whole, or reported as cut: ${JSON.stringify(result)}`,
  );
  requireThat(
    OUTPUT.startsWith(String(result['stdout'])),
    `the output is a beginning of the command's: ${JSON.stringify(result)}`,
  );
}

async function check(rig: FaultRig, first: Outcome, known: Outcome, fault: Fault): Promise<Outcome> {
  const connection = await rig.connect();
  const now = await outcomeOf(connection.attach('p').then(resultOf));
  await connection.bye();
  if (now.kind === 'result') checkResult(now.result);
  else
    requireThat(
      now.kind === 'error' && now.failure.code === 'PROCESS_LOST',
      `what has no result is lost: ${JSON.stringify(now)}`,
    );
  if (known.kind === 'result')
    requireThat(
      now.kind === 'result' && JSON.stringify(now.result) === JSON.stringify(known.result),
      `a reported result stays: ${JSON.stringify([known, now])}`,
    );
  if (mustSucceed(fault))
    requireThat(
      first.kind === 'result' && now.kind === 'result',
      `${fault.name} changes nothing: ${JSON.stringify([first, now])}`,
    );
  return now;
}

export function resultScenario(): Scenario {
  const connections = new WeakMap<FaultRig, { connection: AgentConnection; gate: FileHandle }>();
  const known = new WeakMap<FaultRig, Outcome>();
  return {
    name: 'result',
    async prepare(rig) {
      const gate = await gateOf(rig);
      rig.serve();
      const connection = await rig.connect();
      connections.set(rig, { connection, gate });
      const script = `exec 3<>${join(rig.folder, 'gate')}; echo early; read x <&3; echo late; echo error >&2; exit 7`;
      await connection.start('p', ['/bin/sh', '-c', script]);
    },
    async act(rig) {
      const { connection, gate } = connections.get(rig)!;
      const attached = connection.attach('p').then(resultOf);
      attached.catch(() => undefined);
      await gate.write('go\n');
      return attached;
    },
    async check(rig, first, fault) {
      if (first.kind === 'result') checkResult(first.result);
      known.set(rig, await check(rig, first, known.get(rig) ?? first, fault));
    },
  };
}
