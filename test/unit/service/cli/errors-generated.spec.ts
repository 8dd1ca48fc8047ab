import { readFileSync } from 'node:fs';

import { expect } from 'chai';

import { errorReferenceOf } from '../../../../scripts/error-reference.ts';
import { codeOf } from '../../../../src/service/cli/error-reference.ts';
import { errorReferences } from '../../../../src/service/cli/errors.generated.ts';
import { codes } from '../../errors/error-samples.ts';

function textOf(path: string): string {
  return readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8');
}

describe('the reference of errors', () => {
  it('is what scripts/error-reference.ts writes from docs/errors.md', () => {
    expect(textOf('src/service/cli/errors.generated.ts')).to.equal(errorReferenceOf(textOf('docs/errors.md')));
  });

  it('has every code', () => {
    expect(errorReferences.map(({ code }) => code).sort()).to.deep.equal([...codes].sort());
  });

  it('accepts a code without its prefix, in any case, and with hyphens', () => {
    for (const text of ['KW_ERR_POD_EVICTED', 'pod_evicted', 'pod-evicted'])
      expect(codeOf(text)).to.equal('KW_ERR_POD_EVICTED');
  });
});
