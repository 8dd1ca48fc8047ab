import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { AgentConnection } from '../../agent/agent-connection.ts';
import type { FaultRig } from '../fault-rig.ts';
import { mustSucceed, type Outcome, outcomeOf, promise, type Scenario } from '../scenario.ts';

const BYTES = Buffer.alloc(300_000, 'content of an archive ');
const key = 'installation/00/key';
const OPEN = { op: 'archive-write', id: 'archive', key, leaseMs: 60_000 };

async function contentOf(rig: FaultRig): Promise<Buffer | undefined> {
  return await readFile(join(rig.state, 'archives', key)).catch(() => undefined);
}

/** Checks that RESULT means a whole file, ERROR means none, and that the host can delete the rest. */
async function checkFile(rig: FaultRig, told: Outcome): Promise<Outcome> {
  const connection = await rig.connect();
  const heard = told.kind === 'lost' ? await outcomeOf(connection.resumeReceive({ ...OPEN, attempt: 2 }, BYTES)) : told;
  const content = await contentOf(rig);
  if (heard.kind === 'result')
    promise(content?.equals(BYTES) === true, `RESULT means that the file is whole: ${content?.length} bytes`);
  if (heard.kind === 'error' && heard.failure.code !== 'OPERATION_GONE')
    promise(content === undefined, `${heard.failure.message} means that there is no file: ${content?.length} bytes`);
  if (heard.kind !== 'result') {
    await connection.call({ op: 'archive-delete', key });
    promise((await contentOf(rig)) === undefined, 'the host can delete what is left');
  }
  await connection.bye();
  return heard;
}

/** Writes an archive file. */
export function archiveScenario(): Scenario {
  const connections = new WeakMap<FaultRig, AgentConnection>();
  // An outcome is kept until it has been acknowledged.
  const heard = new WeakMap<FaultRig, Outcome>();
  return {
    name: 'archive',
    async prepare(rig) {
      rig.serve();
      connections.set(rig, await rig.connect());
    },
    act: (rig) => connections.get(rig)!.receive(OPEN, BYTES),
    async check(rig, told, fault) {
      if (mustSucceed(fault)) promise(told.kind === 'result', `${fault.name} changes nothing: ${JSON.stringify(told)}`);
      heard.set(rig, await checkFile(rig, heard.get(rig) ?? told));
    },
  };
}
