/**
 * Builds the agent from this checkout's sources for this machine, with the library that injects
 * faults.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface DynamicAgent {
  readonly agent: string;
  /** The library to preload: agent/test/faults.c. */
  readonly faults: string;
}

const repository = join(import.meta.dirname, '../../..');

function has(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

/**
 * Builds changed files; returns a reason if no build is possible. `KW_AGENT_DYNAMIC` names a folder
 * with a build to use instead.
 */
function dynamicAgent(): DynamicAgent | string {
  const given = process.env['KW_AGENT_DYNAMIC'];
  const folder = given ?? join(repository, 'node_modules/.cache/kubernetes-worker/agent-dynamic');
  if (given === undefined) {
    if (!has('gcc') && !has('clang')) return 'there is neither gcc nor clang';
    const { status, stderr } = spawnSync(join(repository, 'agent/build'), ['--dynamic', folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`agent/build --dynamic failed: ${stderr}`);
  }
  return { agent: join(folder, 'agent'), faults: join(folder, 'faults.so') };
}

/** Used in a `before` hook: skips the suite with a reason if no build is possible. */
export function needDynamicAgent(context: Mocha.Context): DynamicAgent {
  context.timeout(300_000);
  const built = dynamicAgent();
  if (typeof built !== 'string') return built;
  console.log(`      skipped: ${built}`);
  return context.skip();
}
