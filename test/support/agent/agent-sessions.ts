import { readdir, readFile } from 'node:fs/promises';

import type { AgentProcess } from './agent-process.ts';

/** Returns the process ids of the agent's sessions, one per connection, the oldest first. */
export async function agentSessions(agent: AgentProcess): Promise<number[]> {
  const sessions: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/u.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const end = stat.lastIndexOf(')');
    const isSession = stat.slice(stat.indexOf('(') + 1, end) === 'agent session';
    if (isSession && Number(stat.slice(end + 2).split(' ')[1]) === agent.pid) sessions.push(Number(name));
  }
  return sessions.sort((a, b) => a - b);
}
