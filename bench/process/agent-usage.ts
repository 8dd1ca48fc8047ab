import { Writable } from 'node:stream';

import type { Container } from 'kubernetes-worker';

/** The total usage of the agent's processes in a pod. */
export interface AgentUsage {
  /** Resident memory, with each shared page divided by the number of its processes (PSS). */
  readonly memoryMiB: number;
  /** The processor time of each process since its start, by process id. */
  readonly cpuMs: ReadonlyMap<string, number>;
}

// Finds processes by the path of their program, because the agent's processes change their names. A
// tick is 10 ms.
const script = `
for process in /proc/[0-9]*; do
  case $(readlink $process/exe) in */agent) ;; *) continue ;; esac
  awk '/^Pss:/ { print "pss", $2 }' $process/smaps_rollup
  sed 's/.*) //' $process/stat | awk -v pid=$process '{ print "ticks", pid, $12 + $13 }'
done`;

/**
 * Measures with a command in the pod. The command's user must have permission to inspect the agent,
 * so it must be root.
 */
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
