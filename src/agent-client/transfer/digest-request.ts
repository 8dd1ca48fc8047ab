import { isRetryable } from '../../errors/error-code.ts';
import type { AbortOptions } from '../../runtime/options.ts';
import { ARCHIVES_SINCE } from '../session/agent-hello.ts';
import type { OperationOpener } from '../session/operation-opener.ts';
import { AgentFailure, LostConnection } from '../wire/agent-error.ts';
import type { ControlObject } from '../wire/control.ts';
import { readTransferResult, type TransferResult } from './transfer-progress.ts';

/**
 * Requests the result of a `send` without its bytes. Resolves with `undefined` if the agent's
 * protocol has no such request.
 */
export async function requestDigest(
  opener: OperationOpener,
  send: ControlObject,
  options: AbortOptions,
): Promise<TransferResult | undefined> {
  const { protocol } = await opener.hello(options);
  if (protocol < ARCHIVES_SINCE) return undefined;
  return readTransferResult(await opener.run({ ...send, only: 'digest' }, options, 'sent'));
}

/** Decides to repeat a request whose connection was lost or refused. Throws an answer of the agent. */
export function waitIfLost(error: unknown): 'wait' {
  const reason = error instanceof LostConnection ? error.reason : error;
  if (reason instanceof AgentFailure || !isRetryable(reason)) throw error;
  return 'wait';
}
