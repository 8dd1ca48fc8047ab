import { existsSync } from 'node:fs';

import { expect } from 'chai';

import manifest from '../../../package.json' with { type: 'json' };
import { fromRoot, isProved, referencesOf, root, textOf } from './references.ts';
import { requirementIds } from './requirement-ids.ts';

const document = 'docs/verification-matrix.md';

interface Row {
  readonly id: string;
  readonly verdict: string;
  readonly by: string;
}

function documented(): readonly Row[] {
  const rows = textOf(document).matchAll(/^\| (S\d-[\w.]+) \| .+? \| ([a-z ]+) \| (.*) \|$/gm);
  return [...rows].map(([, id = '', verdict = '', by = '']) => ({ id, verdict, by }));
}

/** Returns the commands that a row names. */
const commandsOf = ({ by }: Row): readonly string[] =>
  [...by.matchAll(/`((?:npm run|npm|node|agent\/|\.ci\/|hack\/|helm|promtool) ?[^`]*)`/g)].map(([, text = '']) => text);

describe(document, () => {
  const rows = documented();
  const references = rows.flatMap(({ id, by }) => referencesOf(by).map((reference) => ({ id, ...reference })));

  it('has every requirement once, with a test or the reason why there is none', () => {
    expect(rows.map(({ id }) => id)).to.deep.equal(requirementIds);
    for (const { id, verdict, by } of rows) {
      expect(['yes', 'in part', 'not run', 'out of scope'], id).to.include(verdict);
      expect(by.trim(), `${id} has neither a test nor a reason`).not.to.equal('');
    }
  });

  it('has a test, a command or another requirement for everything that is proved', () => {
    const proved = new Set([
      ...references.map(({ id }) => id),
      ...rows.filter((row) => commandsOf(row).length > 0).map(({ id }) => id),
    ]);
    const verdicts = new Map(rows.map(({ id, verdict }) => [id, verdict]));
    const bare = rows.filter(({ id, verdict, by }) => {
      if (verdict !== 'yes' || proved.has(id)) return false;
      const others = [...by.matchAll(/\bS\d-[A-Z][\w.]*|\bS\d-\d[\w.]*/g)].map(([other]) => other.replace(/\.$/, ''));
      return !others.some((other) => verdicts.get(other) === 'yes');
    });
    expect(bare.map(({ id }) => id)).to.deep.equal([]);
  });

  it('proves no more by another requirement than that one is', () => {
    const verdicts = new Map(rows.map(({ id, verdict }) => [id, verdict]));
    const alike = rows.flatMap(({ id, verdict, by }) => {
      const [, other] = /^As (S\d-[\w.]*\w)/.exec(by) ?? [];
      return other === undefined ? [] : [{ id, verdict, other }];
    });
    expect(alike).to.have.length.above(20);
    expect(alike.filter(({ verdict, other }) => verdicts.get(other) !== verdict)).to.deep.equal([]);
  });

  it('refers only to requirements that it has', () => {
    const others = rows.flatMap(({ by }) =>
      [...by.matchAll(/\bS\d-[A-Z\d][\w.]*/g)].map(([other]) => other.replace(/\.$/, '')),
    );
    expect(others.filter((other) => !requirementIds.includes(other))).to.deep.equal([]);
  });

  it('names only files that exist', () => {
    const paths = rows.flatMap(({ by }) =>
      [...by.matchAll(/`([\w./-]+\.(?:ts|mjs|ya?ml))`/g)].map(([, path = '']) => path),
    );
    expect(paths).to.have.length.above(200);
    const missing = paths.filter(
      (path) => !existsSync(new URL(fromRoot(path), root)) && !existsSync(new URL(path, root)),
    );
    expect(missing).to.deep.equal([]);
  });

  it('names only tests whose titles its files contain', () => {
    const missing = references.filter((reference) => !isProved(reference));
    expect(missing.map(({ id, path, title }) => `${id} ${path}: ${title}`)).to.deep.equal([]);
  });

  it('names only scripts and benchmarks that exist', () => {
    const commands = rows.flatMap(commandsOf);
    const scripts = commands.flatMap((command) => command.match(/^npm run (\S+)/)?.slice(1) ?? []);
    expect(scripts.filter((script) => !(script in manifest.scripts))).to.deep.equal([]);
    const benchmarks = commands.flatMap((command) => command.match(/^npm run bench -- (\S+)/)?.slice(1) ?? []);
    expect(benchmarks).to.have.length.above(5);
    expect(benchmarks.filter((name) => !existsSync(new URL(`bench/cases/${name}.ts`, root)))).to.deep.equal([]);
  });
});
