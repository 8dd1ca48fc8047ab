import { readFileSync } from 'node:fs';

import { expect } from 'chai';

import {
  AgentFailure,
  LostConnection,
  processError,
  processFailure,
  processStartError,
  transferError,
  transferFailure,
  transferOutcome,
} from '../../../../src/agent-client/wire/agent-error.ts';
import { Fields } from '../../../../src/agent-client/wire/control.ts';
import { FrameType } from '../../../../src/agent-client/wire/frame.ts';
import { ClosedError } from '../../../../src/errors/caller.ts';
import { HeartbeatTimeoutError, ProtocolViolationError } from '../../../../src/errors/connection.ts';
import { OutcomeUnknownError } from '../../../../src/errors/process.ts';
import {
  ArtifactTooLargeError,
  OperationLostError,
  TransferStalledError,
  UnsafeArchivePathError,
} from '../../../../src/errors/transfer.ts';

const transfer = { handle: 'v', podName: 'p', direction: 'in', path: 'a', bytes: 5 } as const;
const process = { handle: 'h', processId: 'x' } as const;
const command = { executable: 'prog', user: 'joe', dir: '/d' } as const;

/** The error of each code: for a transfer, a start and a running process. */
const MEANINGS: Readonly<Record<string, { transfer?: string; start?: string; process?: string }>> = {
  CORRUPT_ARCHIVE: { transfer: 'CorruptArchiveError' },
  TRUNCATED_ARCHIVE: { transfer: 'TruncatedArchiveError' },
  DIGEST_MISMATCH: { transfer: 'DigestMismatchError' },
  UNSAFE_ARCHIVE_PATH: { transfer: 'UnsafeArchivePathError' },
  UNSAFE_PATH: { transfer: 'UnsafeArchivePathError' },
  UNSUPPORTED_ENTRY: { transfer: 'UnsupportedEntryError' },
  ARTIFACT_TOO_LARGE: { transfer: 'ArtifactTooLargeError' },
  PATH_CONFLICT: { transfer: 'PathConflictError' },
  VOLUME_DAMAGED: { transfer: 'VolumeDamagedError' },
  VOLUME_NOT_FOUND: { transfer: 'VolumeNotFoundError' },
  FILE_NOT_FOUND: { transfer: 'FileNotFoundError' },
  FILE_CHANGED: { transfer: 'FileChangedError' },
  ARCHIVE_EXISTS: { transfer: 'PathConflictError' },
  ARCHIVE_MISSING: { transfer: 'FileNotFoundError' },
  DISK_FULL: { transfer: 'DiskFullError', start: 'DiskFullError', process: 'DiskFullError' },
  NOT_PERMITTED: { transfer: 'NotPermittedError', start: 'NotPermittedError', process: 'NotPermittedError' },
  IO_ERROR: { transfer: 'VolumeIoError', start: 'VolumeIoError', process: 'VolumeIoError' },
  INVALID_SPEC: { transfer: 'InvalidSpecError', start: 'InvalidSpecError', process: 'InvalidSpecError' },
  OPERATION_GONE: { transfer: 'OperationLostError' },
  STALE_GENERATION: { transfer: 'LeaseLostError' },
  CANCELLED: { transfer: 'OperationLostError', start: 'OutcomeUnknownError', process: 'OutcomeUnknownError' },
  EXECUTABLE_NOT_FOUND: { start: 'ExecutableNotFoundError' },
  WRONG_FORMAT: { start: 'ExecutableFormatError' },
  USER_NOT_FOUND: { start: 'UserNotFoundError' },
  BAD_DIRECTORY: { start: 'WorkingDirectoryError' },
  PROCESS_NOT_FOUND: { start: 'ProcessNotFoundError', process: 'ProcessNotFoundError' },
  OUTPUT_FREED: { start: 'OutputFreedError', process: 'OutputFreedError' },
  PROCESS_LOST: { start: 'OutcomeUnknownError', process: 'OutcomeUnknownError' },
  // These end the connection before they could be mapped for an operation.
  PROTOCOL_VIOLATION: {},
  AGENT_INCOMPATIBLE: {},
};

describe('the errors of the agent', () => {
  it('quote the text of a pod on one line, without control characters', () => {
    const message = 'no\u001b[2Jroom\nKW_ERR_FAKE: forged\u202e';
    const failure = AgentFailure.of(
      Fields.parse(FrameType.ERROR, Buffer.from(JSON.stringify({ code: 'IO_ERROR', message, path: 'a\nb' }))),
    );
    for (const error of [
      failure,
      transferError(failure, transfer),
      processError(failure, process),
      processStartError(failure, process, command),
    ]) {
      expect((error as Error).message).to.match(/no\\u\{1b\}\[2Jroom\\nKW_ERR_FAKE: forged\\u\{202e\}/);
    }
    expect(failure.facts.path).to.equal('a\nb');
    const unknown = AgentFailure.of(Fields.parse(FrameType.ERROR, Buffer.from(JSON.stringify({ code: 'N\nW' }))));
    expect((transferError(unknown, transfer) as Error).message).to.contain('N\\nW');
  });

  it('label metrics with the known codes, and with one label for all others', () => {
    expect(transferOutcome(new AgentFailure('DISK_FULL', ''))).to.equal('DISK_FULL');
    expect(transferOutcome(new AgentFailure('MADE_UP_BY_A_POD', ''))).to.equal('OTHER');
    expect(transferOutcome(new LostConnection(new Error('reset')))).to.equal('OPERATION_LOST');
  });

  it('cover all codes of the protocol document', () => {
    const text = readFileSync(new URL('../../../../docs/agent-protocol.md', import.meta.url), 'utf8');
    const codes = new Set(Array.from(text.matchAll(/`([A-Z]{2,}(?:_[A-Z]+)+|CANCELLED)`/g), ([, code]) => code ?? ''));
    expect(Object.keys(MEANINGS).sort()).to.deep.equal([...codes].sort());
  });

  for (const [code, meaning] of Object.entries(MEANINGS)) {
    it(`map ${code} to a typed error or a protocol violation, with the failure as cause`, () => {
      const failure = new AgentFailure(code, 'message');
      const errors = {
        transfer: transferError(failure, transfer),
        start: processStartError(failure, process, command),
        process: processError(failure, process),
      };
      for (const [kind, error] of Object.entries(errors)) {
        expect(error.name, kind).to.equal(meaning[kind as keyof typeof meaning] ?? 'ProtocolViolationError');
        expect(error.cause).to.equal(failure);
      }
    });
  }

  it('map an unknown code to a protocol violation', () => {
    const failure = new AgentFailure('SOMETHING_NEW', 'message');
    for (const error of [
      transferError(failure, transfer),
      processStartError(failure, process, command),
      processError(failure, process),
    ])
      expect(error).to.be.instanceOf(ProtocolViolationError);
  });

  it('carry the facts of both ends', () => {
    const failure = AgentFailure.of(
      Fields.parse(
        FrameType.ERROR,
        Buffer.from(
          JSON.stringify({
            code: 'UNSAFE_ARCHIVE_PATH',
            message: 'm',
            errno: 40,
            errnoName: 'ELOOP',
            path: 'b',
            entry: { b64: '/w==' },
            bytes: 9,
          }),
        ),
      ),
    );
    expect(transferError(failure, transfer)).to.include({
      handle: 'v',
      podName: 'p',
      direction: 'in',
      path: 'b',
      entry: '\ufffd',
      errno: 'ELOOP',
      bytes: 9,
    });
    expect(transferError(new AgentFailure('UNSAFE_PATH', '', { path: '../x' }), transfer))
      .to.be.instanceOf(UnsafeArchivePathError)
      .with.property('path', '../x');
    expect(transferError(new AgentFailure('ARTIFACT_TOO_LARGE', '', { limitBytes: 3 }), transfer))
      .to.be.instanceOf(ArtifactTooLargeError)
      .with.property('limitBytes', 3);
    expect(processStartError(new AgentFailure('EXECUTABLE_NOT_FOUND', ''), process, command)).to.include({
      executable: 'prog',
      handle: 'h',
      processId: 'x',
    });
    expect(processStartError(new AgentFailure('USER_NOT_FOUND', ''), process, command)).to.include({ user: 'joe' });
    expect(processStartError(new AgentFailure('BAD_DIRECTORY', ''), process, command)).to.include({ dir: '/d' });
  });

  it('truncate long texts of the agent', () => {
    const failure = AgentFailure.of(
      Fields.parse(
        FrameType.ERROR,
        Buffer.from(JSON.stringify({ code: 'x'.repeat(1e5), message: 'y'.repeat(1e6), path: 'z'.repeat(1e6) })),
      ),
    );
    expect(failure.code.length + failure.message.length + (failure.facts.path?.length ?? 0)).to.be.below(10_000);
  });

  it('report the OOM kills of a lost process', () => {
    const error = processError(new AgentFailure('PROCESS_LOST', '', { oomKills: 2 }), process);
    expect(error).to.be.instanceOf(OutcomeUnknownError);
    expect(error.message).to.contain('2 processes were killed for memory');
    expect(error.cause).to.have.nested.property('facts.oomKills', 2);
  });
});

describe('a lost connection', () => {
  const silence = new HeartbeatTimeoutError(60_000);

  it('maps to OperationLostError for a transfer, with the reason as cause', () => {
    const error = transferFailure(new LostConnection(silence), transfer);
    expect(error).to.be.instanceOf(OperationLostError).with.property('cause', silence);
    expect(error).to.include({ handle: 'v', bytes: 5, retryable: true });
  });

  it('maps to its reason if that is a typed transfer error', () => {
    for (const reason of [
      new ProtocolViolationError('garbage'),
      new TransferStalledError(transfer, 1),
      new ClosedError('client'),
    ])
      expect(transferFailure(new LostConnection(reason), transfer)).to.equal(reason);
  });

  it('maps to its reason for a process, so that the caller reconnects', () => {
    expect(processFailure(new LostConnection(silence), process)).to.equal(silence);
  });

  it('leaves other errors unchanged', () => {
    const reason = new Error('the source broke');
    expect(transferFailure(reason, transfer)).to.equal(reason);
    expect(processFailure(reason, process)).to.equal(reason);
  });

  it('names the field that the agent quotes, as the host names it', () => {
    for (const [message, field, text] of [
      ["'from.stdout' is beyond the output's end", 'from.stdoutBytes', "from.stdoutBytes: is beyond the output's end"],
      ["'args' is not a list", 'args', 'args: is not a list'],
      ['the operation is unknown', 'spec', 'spec: the operation is unknown'],
    ] as const) {
      const error = processFailure(new AgentFailure('INVALID_SPEC', message), process);
      expect(error).to.include({ code: 'KW_ERR_INVALID_SPEC', field, message: text });
    }
    const named = processFailure(new AgentFailure('INVALID_SPEC', 'is too long', { path: 'env' }), process);
    expect(named).to.include({ field: 'env', message: 'env: is too long' });
  });
});
