import type { Mutant } from '../../../scripts/mutant.ts';

const archives = { specs: ['test/unit/controllers/archive-sweep.spec.ts'] };
const keys = { specs: ['test/unit/controllers/key-sweep.spec.ts'] };
const keySweep = 'src/controllers/key-sweep.ts';

/** Changes of the sweep and the eviction of archives that a spec has to detect. */
export const mutants: readonly Mutant[] = [
  {
    name: 'an archive of a store without an answer counts as deleted',
    file: 'src/controllers/archive-sweep.ts',
    find: 'findMissing: async (rows) => rows.map(() => false),',
    replace: 'findMissing: async (rows) => rows.map(() => true),',
    killedBy: archives,
  },
  {
    name: 'only the last attempt of an archive is deleted',
    file: 'src/archives/archive-deletion.ts',
    find: 'for (let each = attempt; each >= 1; each -= 1)',
    replace: 'for (let each = attempt; each >= attempt; each -= 1)',
    killedBy: archives,
  },
  {
    name: 'keys of a partial list are deleted',
    file: keySweep,
    find: `  for await (const { key, modifiedAt } of store.list(\`\${installationId}/\`, { signal })) {
    const parts = parseArchiveKey(installationId, key);
    if (parts !== undefined) listed.push({ key, ...parts, modifiedAt: modifiedAt.getTime() });
  }
`,
    replace: `  try {
    for await (const { key, modifiedAt } of store.list(\`\${installationId}/\`, { signal })) {
      const parts = parseArchiveKey(installationId, key);
      if (parts !== undefined) listed.push({ key, ...parts, modifiedAt: modifiedAt.getTime() });
    }
  } catch {}
`,
    killedBy: keys,
  },
  {
    name: 'young keys are deleted',
    file: keySweep,
    find: 'const old = oldKeys(listed, clock.now());',
    replace: 'const old = oldKeys(listed, clock.now() + 1_000 * 3_600_000);',
    killedBy: keys,
  },
  {
    name: 'the key of an archive that is being written is deleted',
    file: keySweep,
    find: 'return attempt < row.attempt;',
    replace: 'return attempt <= row.attempt;',
    killedBy: keys,
  },
  {
    name: 'what a late writer has left stays',
    file: keySweep,
    find: 'return row.reference !== undefined && row.reference.key !== key;',
    replace: 'return row.reference === undefined;',
    killedBy: keys,
  },
  {
    name: 'a clock of the host that is ahead makes keys old',
    file: 'src/controllers/key-age.ts',
    find: 'const storeNow = Math.min(newest, now);',
    replace: 'const storeNow = Math.max(newest, now);',
    killedBy: { specs: ['test/unit/controllers/key-age.spec.ts'] },
  },
  {
    name: 'the row of an evicted archive is deleted although its bytes remain',
    file: 'src/archives/eviction.ts',
    find: 'await this.#deleteRows(deleted);',
    replace: 'await this.#deleteRows(marked);',
    killedBy: { specs: ['test/unit/archives/eviction.spec.ts'] },
  },
];
