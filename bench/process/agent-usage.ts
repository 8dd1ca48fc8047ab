import { Writable } from 'node:stream';

import type { Container } from 'kubernetes-worker';

/** What the agent's processes in a pod use together. */
export interface AgentUsage {
  /** Resident memory that no other process shares, and each shared page by halves, thirds and so on (PSS). */
  readonly memoryMiB: number;
  /** Processor time since it began, of each process by its id. */
  readonly cpuMs: ReadonlyMap<string, number>;
}

// By the program's path: the agent's processes change their names. A tick is 10 ms.
const script = `
for process in /proc/[0-9]*; do
  case $(readlink $process/exe) in */agent) ;; *) continue ;; esac
  awk '/^Pss:/ { print "pss", $2 }' $process/smaps_rollup
  sed 's/.*) //' $process/stat | awk -v pid=$process '{ print "ticks", pid, $12 + $13 }'
done`;

/** Asks the pod itself, by a command of its own: it needs a user who may look at the agent, so root. */
export async function agentUsage(container: Container): Promise<AgentUsage> {
  let text = '';
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      text += chunk.toString();
      done();
    },
  });
  const command = await container.run({ path: 'sh', args: ['-c', script] }, { stdout });
  const { exitStatus } = await command.wait();
  const lines = text.split('\n').map((line) => line.split(' '));
  const memoryKiB = lines.reduce((total, [word, value]) => (word === 'pss' ? total + Number(value) : total), 0);
  if (exitStatus !== 0 || memoryKiB === 0) throw new Error(`the agent's processes cannot be seen: ${text}`);
  const cpuMs = new Map(
    lines.flatMap(([word, pid = '', ticks]) => (word === 'ticks' ? [[pid, Number(ticks) * 10] as const] : [])),
  );
  return { memoryMiB: memoryKiB / 1024, cpuMs };
}
