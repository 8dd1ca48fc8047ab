import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { AgentConnection } from '../../agent/agent-connection.ts';
import type { FaultRig } from '../fault-rig.ts';
import { mustSucceed, type Outcome, outcomeOf, requireThat, type Scenario } from '../scenario.ts';

const KEY = 'a/00/key';
const OPEN = { op: 'archive-write', id: 'write', key: KEY, leaseMs: 60_000 };
const BYTES = Buffer.from('content of an archive');

/** The content of the file, `undefined` if there is none. */
async function contentOf(rig: FaultRig): Promise<string | undefined> {
  return await readFile(join(rig.state, 'archives', KEY), 'latin1').catch(() => undefined);
}

/** Requests an outcome that the host has not received, as after a lost connection. */
async function requestOutcome(connection: AgentConnection, reported: Outcome): Promise<Outcome> {
  if (reported.kind !== 'lost') return reported;
  return await outcomeOf(connection.resumeReceive({ ...OPEN, attempt: 2 }, BYTES));
}

/** The key can be deleted in any state, and be written and read by others. */
async function checkKey(rig: FaultRig): Promise<void> {
  const connection = await rig.connect();
  await connection.call({ op: 'remove', operation: OPEN.id });
  await connection.call({ op: 'archive-delete', key: KEY });
  requireThat((await contentOf(rig)) === undefined, 'a deletion leaves nothing');
  await connection.receive({ ...OPEN, id: 'again' }, BYTES);
  const { archive } = await connection.send({ op: 'archive-read', id: 'read', key: KEY });
  requireThat(archive.equals(BYTES), `what is written without a fault can be read: ${archive.toString('latin1')}`);
  await connection.bye();
}

export function archiveWriteScenario(): Scenario {
  const connections = new WeakMap<FaultRig, AgentConnection>();
  const received = new WeakMap<FaultRig, Outcome>();
  return {
    name: 'archive-write',
    async prepare(rig) {
      rig.serve();
      connections.set(rig, await rig.connect());
    },
    act: (rig) => connections.get(rig)!.receive(OPEN, BYTES),
    async check(rig, reported, fault) {
      if (mustSucceed(fault))
        requireThat(reported.kind === 'result', `${fault.name} changes nothing: ${JSON.stringify(reported)}`);
      const connection = await rig.connect();
      const outcome = await requestOutcome(connection, received.get(rig) ?? reported);
      await connection.bye();
      if (outcome.kind !== 'lost') received.set(rig, outcome);
      const content = await contentOf(rig);
      requireThat(BYTES.toString().startsWith(content ?? ''), `the file is a beginning of the bytes: ${content ?? ''}`);
      if (outcome.kind === 'result')
        requireThat(content === BYTES.toString(), `RESULT means that all is there: ${content ?? ''}`);
      // OPERATION_GONE leaves open whether the file is complete.
      if (outcome.kind === 'error' && outcome.failure.code !== 'OPERATION_GONE')
        requireThat(content === undefined, `${outcome.failure.message} means that nothing is left: ${content ?? ''}`);
      if (rig.restarted) await checkKey(rig);
    },
  };
}
