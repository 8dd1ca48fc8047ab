import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';

import { expect } from 'chai';

import { type Container, InvalidSpecError, type Process, type Volume, type Worker } from '../../../src/index.ts';
import { rejection } from '../../support/rejection.ts';
import { makeContainer, newOwner, type WorkerSetup } from './setup.ts';

/** A value from a program in plain JavaScript, which no compiler has checked. */
function untyped(value: unknown): never {
  return value as never;
}

/**
 * Specifies that every call rejects input that its types forbid with an `InvalidSpecError` of the
 * field, without its value, and has no effect.
 */
export function describeInput(setup: () => WorkerSetup): void {
  describe('input from plain JavaScript', () => {
    let worker: Worker;
    let container: Container;
    let volume: Volume;
    let process: Process;

    before(async () => {
      worker = await setup().open();
      ({ container } = await makeContainer(worker, setup().image));
      ({ volume } = await worker.createVolumeForArtifact('team'));
      process = await container.run({ path: 'sleep', args: ['60'] }, {});
    });

    after(async () => {
      await process?.signal(9);
      await worker?.close();
    });

    const spec = (parts: object): object => ({ image: setup().image, ...parts });

    const calls: readonly (readonly [field: string, call: () => Promise<unknown>])[] = [
      ['owner', () => worker.findOrCreateContainer(untyped(undefined), untyped(spec({})))],
      ['owner.key', () => worker.findOrCreateContainer(untyped({ kind: 'k' }), untyped(spec({})))],
      ['spec', () => worker.findOrCreateContainer(newOwner(), untyped(undefined))],
      ['image', () => worker.findOrCreateContainer(newOwner(), untyped({}))],
      ['env', () => worker.findOrCreateContainer(newOwner(), untyped(spec({ env: 'SECRET=hunter2' })))],
      ['env[0]', () => worker.findOrCreateContainer(newOwner(), untyped(spec({ env: [{ SECRET: 'hunter2' }] })))],
      [
        'inputs[0].artifact',
        () => worker.findOrCreateContainer(newOwner(), untyped(spec({ inputs: [{ path: 'p' }] }))),
      ],
      [
        'inputs[1].path',
        () =>
          worker.findOrCreateContainer(
            newOwner(),
            untyped(spec({ inputs: [{ artifact: volume, path: '/a' }, { artifact: volume }] })),
          ),
      ],
      ['outputs.result', () => worker.findOrCreateContainer(newOwner(), untyped(spec({ outputs: { result: 7 } })))],
      [
        'limits.memoryBytes',
        () => worker.findOrCreateContainer(newOwner(), untyped(spec({ limits: { memoryBytes: '1Gi' } }))),
      ],
      [
        'sidecars[0].name',
        () => worker.findOrCreateContainer(newOwner(), untyped(spec({ sidecars: [{ image: 'x' }] }))),
      ],
      ['privileged', () => worker.findOrCreateContainer(newOwner(), untyped(spec({ privileged: 'no' })))],
      ['signal', () => worker.findOrCreateContainer(newOwner(), untyped(spec({})), untyped({ signal: 'soon' }))],
      ['stderr', () => worker.findOrCreateContainer(newOwner(), untyped(spec({})), untyped({ stderr: {} }))],
      ['delegate', () => worker.findOrCreateContainer(newOwner(), untyped(spec({})), untyped({ delegate: {} }))],
      [
        'onSpecChange',
        () => worker.findOrCreateContainer(newOwner(), untyped(spec({})), untyped({ onSpecChange: 'replace' })),
      ],
      ['teamId', () => worker.createVolumeForArtifact(untyped(undefined))],
      ['signal', () => worker.createVolumeForArtifact('team', untyped({ signal: 'soon' }))],
      ['handle', () => worker.lookupContainer(untyped(undefined))],
      ['handle', () => worker.lookupVolume(untyped(17))],
      ['owner', () => worker.ownerFinished(untyped(null))],
      ['handle', () => worker.ownerFinished(newOwner(), untyped({ handle: 7 }))],
      ['final', () => worker.ownerFinished(newOwner(), untyped({ final: 'yes' }))],
      ['handle', () => worker.expireArtifact(untyped(undefined))],
      ['options', () => worker.reap(untyped(null))],
      ['budgetMs', () => worker.reap({ budgetMs: 0 })],
      ['budgetMs', () => worker.reap(untyped({ budgetMs: '10s' }))],
      ['spec', () => container.run(untyped(undefined), {})],
      ['path', () => container.run(untyped({}), {})],
      ['args[1]', () => container.run(untyped({ path: 'sh', args: ['-c', 3] }), {})],
      ['tty.windowSize.rows', () => container.run(untyped({ path: 'sh', tty: { windowSize: { columns: 80 } } }), {})],
      ['io', () => container.run({ path: 'true' }, untyped(undefined))],
      ['stdout', () => container.run({ path: 'true' }, untyped({ stdout: console.log }))],
      ['stdin', () => container.run({ path: 'cat' }, untyped({ stdin: 'text' }))],
      ['resultProperties', () => container.run({ path: 'true' }, {}, untyped({ resultProperties: { a: 'b' } }))],
      ['processId', () => container.attach(untyped(undefined), {})],
      ['value', () => container.setProperty('name', untyped(undefined))],
      ['name', () => container.setProperty('a\0b', 'value')],
      ['value', () => container.setProperty('name', 'a\0b')],
      ['signal', () => container.setProperty('name', 'value', untyped({ signal: 'soon' }))],
      ['signal', () => container.properties(untyped({ signal: 'soon' }))],
      ['signal', () => process.wait(untyped({ signal: 'soon' }))],
      ['detachSignal', () => process.wait(untyped({ detachSignal: 'soon' }))],
      ['windowSize', () => process.resize(untyped(undefined))],
      ['signal', () => process.resize({ columns: 80, rows: 24 }, untyped({ signal: 'soon' }))],
      ['signal', () => process.signal(untyped('TERM'))],
      ['options', () => process.signal(15, untyped(null))],
      ['path', () => volume.streamIn(untyped(undefined), Readable.from([]))],
      ['source', () => volume.streamIn('.', untyped(undefined))],
      ['limitBytes', () => volume.streamIn('.', Readable.from([]), untyped({ limitBytes: '1' }))],
      ['path', () => volume.streamOut(untyped(undefined))],
      ['signal', () => volume.status(untyped({ signal: 'soon' }))],
      ['limitBytes', () => volume.readFile('f', untyped({ limitBytes: '1' }))],
    ];

    it('is rejected by every call with the name of the field, and never with its value', async () => {
      for (const [field, call] of calls) {
        const error = await rejection(call());
        expect(error, `${field}: ${String(error)}`).to.be.instanceOf(InvalidSpecError);
        expect((error as InvalidSpecError).field).to.equal(field);
        expect((error as Error).message).to.not.include('hunter2');
      }
    });

    it('destroys the source of a rejected upload', async () => {
      const source = new PassThrough();
      expect(await rejection(volume.streamIn(untyped(undefined), source))).to.be.instanceOf(InvalidSpecError);
      if (!source.closed) await once(source, 'close');
      expect(source.destroyed).to.equal(true);
    });
  });
}
