import { CredentialsUnavailableError } from '../../errors/cluster.ts';
import type { ProgramEnd } from '../../internal/run-program.ts';
import { type Fields, isFields, textOf } from '../fields.ts';
import type { ExecPlugin } from './exec-plugin.ts';

/** The credentials in the output of a plug-in. */
export interface ExecCredential {
  readonly token: string | undefined;
  readonly certificate: string | undefined;
  readonly key: string | undefined;
  /** Milliseconds since the epoch; `undefined` if the credentials do not expire. */
  readonly expiresAt: number | undefined;
}

const maxQuotedCharacters = 500;

/** @throws CredentialsUnavailableError - the program failed, or its output is not a credential */
export function readExecCredential(plugin: ExecPlugin, end: ProgramEnd): ExecCredential {
  const problem = programProblem(plugin, end);
  if (problem !== undefined) throw unavailable(plugin, end, problem);
  // The parser's error message quotes the text, which may contain a token.
  const answer = parse(end.stdout);
  if (answer === undefined) throw unavailable(plugin, end, { detail: 'its output is not JSON', retryable: true });
  const { kind, apiVersion, status } = answer;
  if (kind !== 'ExecCredential')
    throw unavailable(plugin, end, { detail: 'its output is not an ExecCredential', retryable: true });
  if (apiVersion !== plugin.apiVersion)
    throw unavailable(plugin, end, {
      detail: `its output has another apiVersion than ${plugin.apiVersion}, which the kubeconfig requires`,
      retryable: false,
    });
  const [credential, fault] = readStatus(status);
  if (fault !== undefined) throw unavailable(plugin, end, { detail: fault, retryable: true });
  return credential;
}

interface Problem {
  readonly detail: string;
  readonly retryable: boolean;
  readonly cause?: unknown;
}

function programProblem(
  { installHint }: ExecPlugin,
  { error, status, killedBy, ended }: ProgramEnd,
): Problem | undefined {
  if (error !== undefined) {
    const hint = installHint === undefined ? '' : `: ${installHint}`;
    const isMissing = error.code === 'ENOENT' || error.code === 'EACCES';
    return {
      detail: `it cannot be started (${error.code ?? error.message})${hint}`,
      retryable: !isMissing,
      cause: error,
    };
  }
  if (ended === 'output-too-long') return { detail: 'its output is too long', retryable: true };
  if (killedBy !== undefined) return { detail: `it was killed by ${killedBy}`, retryable: true };
  return status === 0 ? undefined : { detail: `it ended with status ${status ?? '?'}`, retryable: true };
}

function readStatus(status: unknown): [ExecCredential, undefined] | [undefined, string] {
  if (!isFields(status)) return [undefined, 'its output has no status'];
  const [token, certificate, key] = (['token', 'clientCertificateData', 'clientKeyData'] as const).map((name) =>
    textOf(status[name]),
  );
  if ((certificate === undefined) !== (key === undefined))
    return [undefined, 'its output has a certificate without a key, or a key without a certificate'];
  if (token === undefined && certificate === undefined)
    return [undefined, 'its output has neither a token nor a certificate'];
  if (token !== undefined && /[\p{Cc}\s]/u.test(token))
    return [undefined, 'its token has spaces or control characters'];
  const expiry = textOf(status['expirationTimestamp']);
  const expiresAt = expiry === undefined ? undefined : Date.parse(expiry);
  if (Number.isNaN(expiresAt)) return [undefined, 'its expirationTimestamp is not a time'];
  return [{ token, certificate, key, expiresAt }, undefined];
}

/** Returns the error of a plug-in, with its stderr. */
export function unavailable(
  plugin: ExecPlugin,
  end: Pick<ProgramEnd, 'stdout' | 'stderr'>,
  { detail, retryable, cause }: Problem,
): CredentialsUnavailableError {
  const stderr = withoutSecrets(end.stderr, end.stdout).trim();
  const quoted = stderr.slice(-maxQuotedCharacters).replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ');
  return new CredentialsUnavailableError(
    `plug-in ${plugin.command}`,
    quoted === '' ? detail : `${detail}; stderr: ${quoted}`,
    { retryable, stderr: stderr === '' ? undefined : stderr },
    cause === undefined ? undefined : { cause },
  );
}

/**
 * Removes the credentials in the plug-in's output, values named like secrets, and long random
 * words.
 */
function withoutSecrets(text: string, stdout: string): string {
  const printed = [
    ...stdout.matchAll(/"(?:token|clientKeyData|clientCertificateData)"\s*:\s*"((?:[^"\\]|\\.)+)"/g),
  ].map((match) => match[1] ?? '');
  return printed
    .reduce((rest, secret) => rest.replaceAll(secret, '…'), text)
    .replace(/-----BEGIN [A-Z ]*-----[^]*?(-----END [A-Z ]*-----|$)/g, '…')
    .replace(
      /((?:token|secret|password|authorization)\b["']?\s*[:=]\s*(?:bearer\s+)?["']?|\bbearer\s+)[^\s"',;]+/gi,
      '$1…',
    )
    .replace(
      /[A-Za-z0-9_+=-]{40,}(?:\.[A-Za-z0-9_+=-]+)*|[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}/g,
      '…',
    );
}

function parse(text: string): Fields | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isFields(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
