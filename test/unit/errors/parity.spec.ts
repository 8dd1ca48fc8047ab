import { readFileSync } from 'node:fs';
import { expect } from 'chai';

import * as library from '../../../src/index.ts';
import { type AnyKubernetesWorkerError, isKubernetesWorkerError, KubernetesWorkerError } from '../../../src/index.ts';
import { codes, samples } from './error-samples.ts';

/** Returns the fields that a class adds to its base class. */
function ownFields(error: AnyKubernetesWorkerError): string[] {
  const inherited = new Set(['name', 'code', 'retryable', 'stack', 'message', 'cause', ...inheritedFields(error)]);
  return Object.keys(error).filter((key) => !inherited.has(key));
}

function inheritedFields(error: AnyKubernetesWorkerError): string[] {
  if (error instanceof library.PodError)
    return ['namespace', 'podName', 'reason', 'detail', 'mayStillRun', 'nodeName', 'containerName'];
  if (error instanceof library.ProcessError) return ['handle', 'processId'];
  if (error instanceof library.ClusterError) return ['verb', 'resource', 'namespace'];
  if (error instanceof library.TransferError)
    return ['handle', 'podName', 'direction', 'path', 'entry', 'errno', 'bytes'];
  return [];
}

function retryability(errors: readonly AnyKubernetesWorkerError[]): string {
  if (errors.every((error) => error.retryable)) return 'yes';
  return errors.some((error) => error.retryable) ? 'by case' : 'no';
}

interface DocumentedError {
  readonly className: string;
  readonly retryable: string;
  readonly fields: readonly string[];
}

function documentedErrors(): Map<string, DocumentedError> {
  const text = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  const rows = text.matchAll(
    /^\| `(?<code>KW_ERR_\w+)` \| `(?<className>\w+)`[^|]*\|[^|]+\| (?<retryable>[a-z ]+) \|(?<fields>[^|]*)\|$/gm,
  );
  return new Map(
    [...rows].map(({ groups }) => [
      groups!['code']!,
      {
        className: groups!['className']!,
        retryable: groups!['retryable']!,
        fields: [...groups!['fields']!.matchAll(/`(\w+)`/g)].map((match) => match[1]!),
      },
    ]),
  );
}

/** Returns the error classes that the entry exports, without their base classes. */
function exportedErrorClasses(): string[] {
  const classes = Object.entries(library).filter(
    ([, value]) => typeof value === 'function' && value.prototype instanceof KubernetesWorkerError,
  );
  const parents = new Set(classes.map(([, value]) => Object.getPrototypeOf(value) as unknown));
  return classes.filter(([, value]) => !parents.has(value)).map(([name]) => name);
}

describe('the error classes', () => {
  it('are all members of the union and exports of the entry', () => {
    expect(exportedErrorClasses().sort()).to.deep.equal(codes.map((code) => samples[code][0]!.constructor.name).sort());
  });

  it('are exactly those of docs/errors.md', () => {
    expect([...documentedErrors().keys()].sort()).to.deep.equal([...codes].sort());
  });

  for (const code of codes) {
    context(code, () => {
      const errors = samples[code];

      it('is the code of its class, and the error has the name of the class', () => {
        for (const error of errors) {
          expect(error.code).to.equal(code);
          expect(error.name).to.equal(error.constructor.name);
          expect(isKubernetesWorkerError(error)).to.equal(true);
        }
      });

      it('is documented with its class, its fields and whether it is retryable', () => {
        const documented = documentedErrors().get(code);
        expect(documented?.className).to.equal(errors[0]!.constructor.name);
        expect(documented?.retryable).to.equal(retryability(errors));
        expect([...documented!.fields].sort()).to.deep.equal(ownFields(errors[0]!).sort());
      });
    });
  }
});

describe('isKubernetesWorkerError', () => {
  it('accepts an error of another copy of the library by its mark', () => {
    const foreign = Object.defineProperty(new Error('from elsewhere'), Symbol.for('kubernetes-worker.error'), {
      value: true,
    });
    expect(isKubernetesWorkerError(foreign)).to.equal(true);
  });

  it('rejects every other value', () => {
    for (const value of [new Error('plain'), undefined, 'KW_ERR_CLOSED', { code: 'KW_ERR_CLOSED' }])
      expect(isKubernetesWorkerError(value)).to.equal(false);
  });
});
