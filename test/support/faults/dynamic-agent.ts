/** The agent of this checkout's sources, built for this machine with the system's compiler, and the library that makes it fail. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface DynamicAgent {
  readonly agent: string;
  /** To preload: agent/test/faults.c. */
  readonly faults: string;
}

const repository = join(import.meta.dirname, '../../..');

function has(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Builds what has changed; a text says why there is nothing to build with. `KW_AGENT_DYNAMIC` names a folder with a build to take instead. */
export function dynamicAgent(): DynamicAgent | string {
  const given = process.env['KW_AGENT_DYNAMIC'];
  const folder = given ?? join(repository, 'node_modules/.cache/kubernetes-worker/agent-dynamic');
  if (given === undefined) {
    if (!has('gcc') && !has('clang')) return 'there is neither gcc nor clang';
    const { status, stderr } = spawnSync(join(repository, 'agent/build'), ['--dynamic', folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`agent/build --dynamic failed: ${stderr}`);
  }
  return { agent: join(folder, 'agent'), faults: join(folder, 'faults.so') };
}

/** For a `before`: skips the suite, and says why, where nothing can be built. */
export function needDynamicAgent(context: Mocha.Context): DynamicAgent {
  context.timeout(300_000);
  const built = dynamicAgent();
  if (typeof built !== 'string') return built;
  console.log(`      skipped: ${built}`);
  return context.skip();
}
