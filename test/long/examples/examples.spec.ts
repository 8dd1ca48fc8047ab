import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** The lines that each example prints on success. */
const expectedLines: Readonly<Record<string, readonly string[]>> = {
  'embed-in-orchestrator.ts': [
    'published: sum 12',
    'slow: timed out',
    'build 1 passed, build 2 failed',
    '4 pods deleted',
  ],
  'shut-down-and-continue.ts': [
    'container created: true, command started: true',
    'detached after 6 bytes',
    'container created: false, command started: false',
    'ended { exitStatus: 0 } "built\\ntested\\n"',
  ],
  'run-a-command.ts': ['hello from /tmp/build/example', 'sh ended with status 3'],
  'task-cache.ts': ['downloaded', 'build 2: cache is in place', 'found'],
  'stream-artifacts.ts': ['version: {"ref":"4711"}', 'out twice: 1 digest'],
  'unit-test-with-fakes.ts': ['ok: a step passes when its command ends with 0'],
};
const examples = readdirSync(`${root}examples`).filter((name) => name.endsWith('.ts'));

describe('the examples', () => {
  it('all have expected lines', () => {
    expect(examples).to.have.members(Object.keys(expectedLines));
  });

  for (const name of examples) {
    it(`${name} succeeds`, async () => {
      const child = spawn(process.execPath, ['--import', './scripts/from-source.ts', `examples/${name}`], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const [stdout, stderr, [status]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close') as Promise<[number | null]>,
      ]);
      expect(status, `${stdout}\n${stderr}`).to.equal(0);
      expect(stdout.split('\n')).to.include.members([...(expectedLines[name] ?? [])]);
    });
  }
});
