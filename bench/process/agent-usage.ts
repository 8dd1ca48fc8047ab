import { Writable } from 'node:stream';

import type { Container } from 'kubernetes-worker';

/** What the agent's processes in a pod use together. */
export interface AgentUsage {
  /** Resident memory that no other process shares, and each shared page by halves, thirds and so on (PSS). */
  readonly memoryMiB: number;
  /** Processor time since they began. */
  readonly cpuMs: number;
}

// By the program's path: the agent's processes change their names. A tick is 10 ms.
const script = `
for process in /proc/[0-9]*; do
  case $(readlink $process/exe) in */agent) ;; *) continue ;; esac
  awk '/^Pss:/ { print "pss", $2 }' $process/smaps_rollup
  sed 's/.*) //' $process/stat | awk '{ print "ticks", $12 + $13 }'
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
  const sum = (word: string): number =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${word} `))
      .reduce((total, line) => total + Number(line.slice(word.length)), 0);
  if (exitStatus !== 0 || sum('pss') === 0) throw new Error(`the agent's processes cannot be seen: ${text}`);
  return { memoryMiB: sum('pss') / 1024, cpuMs: sum('ticks') * 10 };
}
