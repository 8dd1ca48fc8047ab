import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from 'chai';

import { steps } from './build.ts';
import { outcomeFile } from './order.ts';

/** Checks the statuses and the logs of a build whose files are in a folder. */
export async function checkBuild(folder: string): Promise<void> {
  const outcome: unknown = JSON.parse(await readFile(join(folder, outcomeFile), 'utf8'));
  expect(outcome).to.deep.equal(Object.fromEntries(steps.map(({ name, exitStatus }) => [name, exitStatus])));
  for (const { name, stdout, stderr } of steps) {
    expect(await readFile(join(folder, `${name}.stdout`), 'utf8'), `stdout of ${name}`).to.equal(stdout);
    expect(await readFile(join(folder, `${name}.stderr`), 'utf8'), `stderr of ${name}`).to.equal(stderr);
  }
}
