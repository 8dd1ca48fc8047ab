import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const examples = readdirSync(`${root}examples`).filter((name) => name.endsWith('.ts'));

describe('the examples', function () {
  this.timeout(120_000);

  for (const name of examples) {
    it(`${name} runs to its end`, async () => {
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
    });
  }
});
